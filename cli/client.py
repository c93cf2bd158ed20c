"""The running engine, over its HTTP API on a Unix socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from cli.output import Record
from engine.errors import CallwrightError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
ANSWER_WITHIN_S: Final = 30.0
"""`verify` reads everything twice, two seconds apart; `explain` replays a journal."""


PIECE: Final = 1 << 18


class NoEngine(CallwrightError):
    """No engine serves at the socket."""

    error_id = "no-engine"


class Engine:
    """A line to the running engine. Every method raises what the engine says (`error_id` and exit code are its own)."""

    def __init__(self, client: httpx.AsyncClient, socket: Path) -> None:
        self._client = client
        self._socket = socket

    async def get(self, *path: str, **query: Any) -> Record:
        """Read. Queries that are empty, None or False are left out."""
        return await self._ask("GET", path, params=_given(query))

    async def post(self, *path: str, body: Record | None = None) -> Record:
        """Ask for something to be done."""
        return await self._ask("POST", path, json=body or {})

    async def post_text(self, *path: str, text: str) -> Record:
        """Send a flow file."""
        return await self._ask("POST", path, content=text.encode(), headers={"content-type": "application/yaml"})

    async def post_file(self, *path: str, file: Path, **query: Any) -> Record:
        """Send a list. It takes as long as it takes."""
        more = {"content": _pieces(file), "headers": {"content-type": "text/csv"}, "timeout": None}
        return await self._ask("POST", path, params=_given(query), **more)

    async def put(self, *path: str, body: Record) -> Record:
        """Put a value in place."""
        return await self._ask("PUT", path, json=body)

    async def patch(self, *path: str, body: Record) -> Record:
        """Change some fields."""
        return await self._ask("PATCH", path, json=body)

    async def delete(self, *path: str, **query: Any) -> Record:
        """Remove, or end."""
        return await self._ask("DELETE", path, params=_given(query))

    async def _ask(self, method: str, path: tuple[str, ...], **more: Any) -> Record:
        import httpx

        address = "/v1/" + "/".join(quote(part, safe="") for part in path)
        try:
            answer = await self._client.request(method, address, **more)
        except httpx.ConnectError:
            raise no_engine(self._socket) from None
        except httpx.HTTPError as lost:
            raise CallwrightError(
                f"the engine did not answer: {type(lost).__name__}",
                where=str(self._socket),
                mend="ask again; `callwright doctor` tells how it is",
            ) from None
        return _read(answer)


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {key.rstrip("_"): value for key, value in query.items() if value not in ("", None, False)}


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    import asyncio

    opened = await asyncio.to_thread(file.open, "rb")
    try:
        while piece := await asyncio.to_thread(opened.read, PIECE):
            yield piece
    finally:
        await asyncio.to_thread(opened.close)


def _read(answer: httpx.Response) -> Record:
    if answer.status_code == 204:
        return {}
    try:
        value = answer.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CallwrightError(f"the engine answered {answer.status_code} and no JSON", mend="see the engine's log")
    if answer.status_code >= 400:
        raise told(value)
    return value


def told(problem: Mapping[str, Any]) -> CallwrightError:
    """The engine's problem+json as an error of the same id and exit code."""
    error = CallwrightError(
        str(problem.get("detail") or problem.get("title") or "refused"),
        where=str(problem.get("where") or ""),
        mend=str(problem.get("mend") or ""),
    )
    error.error_id = str(problem.get("error_id") or "error")
    exit_code = problem.get("exit_code")
    error.exit_code = exit_code if isinstance(exit_code, int) else _exit_code(error.error_id)
    return error


def _exit_code(error_id: str) -> int:
    kinds = [CallwrightError]
    while kinds:
        kind = kinds.pop()
        if kind.error_id == error_id:
            return kind.exit_code
        kinds += kind.__subclasses__()
    return 1


def no_engine(socket: Path) -> NoEngine:
    """What a command says that cannot do without."""
    return NoEngine(
        f"no engine is running at {socket}",
        mend="start it with `callwright serve`; one that runs with other settings is found by --config FILE",
    )


@asynccontextmanager
async def calling(socket: Path) -> AsyncIterator[Engine]:
    """A line to the engine; whether one is there shows with the first question."""
    import httpx

    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=ANSWER_WITHIN_S) as client:
        yield Engine(client, socket)


def is_served(socket: Path) -> bool:
    """Whether somebody listens at the socket."""
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(socket))
        except PermissionError:
            raise CallwrightError(
                "you may not speak to the engine", where=str(socket), mend="run this as the engine's own user"
            ) from None
        except OSError:
            return False
    return True


def ask(question: Coroutine[Any, Any, T]) -> T:
    """Run one question to its end."""
    import asyncio  # here, because no help page needs it and it takes its time to load

    return asyncio.run(question)


def asked(*path: str, method: str = "get", body: Record | None = None, **query: Any) -> Record:
    """One question to the running engine, from its first to its last byte.

    Raises:
        NoEngine: none is running.
        CallwrightError: what the engine says.
    """
    from cli.shell import settings

    socket = settings().paths.socket

    async def question() -> Record:
        async with calling(socket) as engine:
            if method == "get":
                return await engine.get(*path, **query)
            if method == "delete":
                return await engine.delete(*path)
            return await engine.post(*path, body=body)

    return ask(question())
