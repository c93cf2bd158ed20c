"""The FastAGI door: who may open a session, how many, and what happens to the rest.

Built on panoramisk's `fast_agi.Application`, which keeps the table of routes; its `handler` is replaced. The stock one
spins for ever, holding the whole event loop, on a peer that connects and closes (reading at EOF returns at once); it
waits without limit of time or size for an environment, and swallows cancellation.

FastAGI has no sign-in of its own. A session is admitted when its address is allowed, its first argument is the secret,
no other live session has its uniqueid, and `admit` (the engine: does AMI know this channel, where it should be?)
agrees. All others are closed at once and counted by reason in `stats`.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import msgspec
import structlog
from panoramisk import fast_agi

from engine.agi.call import AgiSession
from engine.agi.codec import AgiRequest
from engine.agi.session import AgiDialogue, AgiHangup
from engine.errors import AgiProtocolError, ConfigError

log = structlog.get_logger(__name__)

SECRET_CHARACTERS = 16
READER_LIMIT = 16 * 1024
ACCEPTS_PER_TURN = 8
BACKLOG = 1024
CLOSE_SECONDS = 2.0


class AgiVerdict(msgspec.Struct, frozen=True):
    """The engine's word on a session. `reason` is a short stable token for the count, such as `unknown-channel`."""

    admitted: bool
    reason: str = ""


ADMITTED = AgiVerdict(True)


class AgiLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the door. Times in seconds.

    `duplicate_grace_s`: how long a session waits for an earlier one of the same channel to end. Asterisk opens one at
    a time, but the end of the old connection may be read after the start of the new one.
    """

    environment_s: float = 5.0
    admit_s: float = 2.0
    duplicate_grace_s: float = 0.5
    connections: int = 4000
    connections_per_peer: int = 2000


Admit = Callable[[AgiRequest], Awaitable[AgiVerdict]]
Serve = Callable[[AgiSession], Awaitable[None]]


class _Refused(Exception):
    """The connection is not served; the text is the reason that is counted."""


class _Door(fast_agi.Application):  # type: ignore[misc]  # panoramisk publishes no types
    """panoramisk's application with another handler; `_route` is its table of scripts."""

    def __init__(self, welcome: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._welcome = welcome

    async def handler(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._welcome(reader, writer)

    def endpoint(self, script: str, otherwise: Serve) -> Serve:
        """The coroutine function that serves `agi://host/script`."""
        endpoint: Serve = self._route.get(script, otherwise)
        return endpoint


class AgiServer:
    """Listens for Asterisk's FastAGI connections and serves those it admits.

    `secret` is what the dialplan passes as first argument (16 characters or more); it is taken off the arguments.
    `serve` runs one session, for every script without a route of its own in `routes`; when it returns, the session is
    closed and the dialplan goes on. `port` may be 0: see the property.
    """

    def __init__(
        self,
        bind: tuple[str, int],
        *,
        secret: str,
        allow: Sequence[IPv4Network | IPv6Network],
        admit: Admit,
        serve: Serve,
        routes: dict[str, Serve] | None = None,
        limits: AgiLimits | None = None,
    ) -> None:
        if len(secret) < SECRET_CHARACTERS:
            raise ConfigError(
                f"the FastAGI secret has {len(secret)} characters",
                where="asterisk.agi_secret",
                mend=f"use {SECRET_CHARACTERS} or more, e.g. from `openssl rand -hex 16`; "
                "then run `callwright asterisk apply`",
            )
        self.stats: Counter[str] = Counter()
        self._bind = bind
        self._secret = secret.encode()
        self._allow = tuple(allow)
        self._admit = admit
        self._serve = serve
        self._routes = routes or {}
        self._limits = limits or AgiLimits()
        self._live: dict[str, AgiSession] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._peers: Counter[str] = Counter()
        self._listening = asyncio.Event()
        self._closing = asyncio.Event()
        self._port = bind[1]

    @property
    def port(self) -> int:
        """The port listened on; the real one once `wait_listening` has returned."""
        return self._port

    @property
    def live(self) -> int:
        """How many sessions are being served."""
        return len(self._live)

    @property
    def listening(self) -> bool:
        """Whether connections are accepted."""
        return self._listening.is_set()

    async def wait_listening(self) -> None:
        """Return when connections are accepted."""
        await self._listening.wait()

    def shut_door(self) -> None:
        """Accept nobody more; `run` returns when the last session has ended."""
        self._closing.set()

    async def run(self) -> None:
        """Listen until `shut_door` or cancellation; cancellation ends the sessions too.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        self._door = _Door(self._welcome)
        for script, endpoint in self._routes.items():
            self._door.add_route(script, endpoint)
        listener = self._bound()
        server = await asyncio.start_server(
            self._accept, sock=listener, limit=READER_LIMIT, backlog=ACCEPTS_PER_TURN, start_serving=False
        )
        try:
            async with asyncio.TaskGroup() as self._sessions:
                await server.start_serving()
                # asyncio takes one number both for the kernel's queue and for how many it accepts in one turn of the
                # loop. A long queue loses no caller in a burst; few accepts a turn keep the loop on time.
                listener.listen(BACKLOG)
                self._listening.set()
                await self._closing.wait()
                server.close()
        finally:
            server.close()
            self._listening.clear()

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._bind[0] else socket.AF_INET
        try:
            listener = socket.create_server(self._bind, family=family)
        except OSError as error:
            raise ConfigError(
                f"FastAGI cannot listen on {self._bind[0]}:{self._bind[1]}: {error.strerror or error}",
                where="asterisk.agi_bind, asterisk.agi_port",
                mend="choose a free port and an address of this machine",
            ) from error
        self._port = listener.getsockname()[1]
        return listener

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Judge a connection before a task exists for it: a flood of refused peers costs no more than its accepts."""
        peer = _peer(writer)
        reason = "closing" if self._closing.is_set() else self._refusal(peer)
        if reason:
            self._count_refusal(reason, peer)
            writer.transport.abort()
            return
        self._peers[peer] += 1
        self._sessions.create_task(self._door.handler(reader, writer), name=f"agi {peer}")

    def _refusal(self, peer: str) -> str:
        """Why a connection from this address is refused, or "" if it is not."""
        try:
            address = ip_address(peer)
        except ValueError:
            return "peer-not-allowed"
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not any(address in network for network in self._allow):
            return "peer-not-allowed"
        if self._peers.total() >= self._limits.connections:
            return "too-many-connections"
        if self._peers[peer] >= self._limits.connections_per_peer:
            return "too-many-from-peer"
        return ""

    def _count_refusal(self, reason: str, peer: str) -> None:
        self.stats[reason] += 1
        if _worth_a_line(self.stats[reason]):
            log.warning("agi.refused", reason=reason, peer=peer, times=self.stats[reason])

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer)
        try:
            _notice_dead_peers(writer)
            session = AgiSession(AgiDialogue(), reader, writer)
            await self._converse(session)
        except _Refused as refused:
            self._count_refusal(str(refused), peer)
        finally:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]
            await _close(writer)

    async def _converse(self, session: AgiSession) -> None:
        request = await self._admitted(session)
        endpoint = self._door.endpoint(request.script, self._serve)
        uniqueid = request.uniqueid
        self._live[uniqueid] = session
        self._ended[uniqueid] = asyncio.Event()
        self.stats["admitted"] += 1
        pump = asyncio.create_task(session.pump(), name=f"agi pump {uniqueid}")
        try:
            await endpoint(session)
            self.stats["served"] += 1
        except AgiHangup:
            self.stats["hung-up"] += 1
        except Exception as error:
            # One caller's trouble must not end the door for all others.
            self.stats["failed"] += 1
            log.exception("agi.failed", uniqueid=uniqueid, script=request.script, error=str(error))
        finally:
            del self._live[uniqueid]
            self._ended.pop(uniqueid).set()
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _admitted(self, session: AgiSession) -> AgiRequest:
        """Read and check the environment.

        Raises:
            _Refused: with the reason.
        """
        request = await self._environment(session)
        if not request.args or not compare_digest(request.args[0].encode(), self._secret):
            raise _Refused("wrong-secret")
        request = msgspec.structs.replace(request, args=request.args[1:])
        session.admit_as(request)
        if request.repeated:
            self.stats["repeated-names"] += 1
            log.warning("agi.repeated_names", uniqueid=request.uniqueid, names=request.repeated)
        try:
            async with asyncio.timeout(self._limits.admit_s):
                verdict = await self._admit(request)
        except TimeoutError:
            raise _Refused("admission-timeout") from None
        except Exception as error:
            log.exception("agi.admission_failed", uniqueid=request.uniqueid, error=str(error))
            raise _Refused("admission-failed") from error
        if not verdict.admitted:
            raise _Refused(verdict.reason or "not-admitted")
        await self._alone(request.uniqueid)
        return request

    async def _environment(self, session: AgiSession) -> AgiRequest:
        try:
            async with asyncio.timeout(self._limits.environment_s):
                return await session.begin()
        except TimeoutError:
            raise _Refused("environment-timeout") from None
        except AgiProtocolError:
            raise _Refused("no-environment" if session.gone else "bad-environment") from None

    async def _alone(self, uniqueid: str) -> None:
        """Wait for an earlier session of the same channel to end; must not await after its last look."""
        ended = self._ended.get(uniqueid)
        if ended is None:
            return
        try:
            async with asyncio.timeout(self._limits.duplicate_grace_s):
                while ended is not None:
                    await ended.wait()
                    ended = self._ended.get(uniqueid)
        except TimeoutError:
            raise _Refused("second-session") from None


def _worth_a_line(count: int) -> bool:
    """Whether the count is 1, 10, 100, ...: a flood of refusals must not become a flood of log lines."""
    return str(count).strip("0") == "1"


def _peer(writer: asyncio.StreamWriter) -> str:
    address: Any = writer.get_extra_info("peername")
    return str(address[0]) if address else ""


def _notice_dead_peers(writer: asyncio.StreamWriter) -> None:
    """Let the kernel end connections whose other machine vanished: probes after 10 s, gone after about 20 s."""
    connection: socket.socket = writer.get_extra_info("socket")
    options = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 2), ("TCP_USER_TIMEOUT", 20_000))
    with suppress(OSError):  # it may be gone already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in options:
            if hasattr(socket, option):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close, and do not wait long for a peer that reads nothing."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
