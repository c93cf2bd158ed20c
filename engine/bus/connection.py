"""One connection to a broker, on aiomqtt (the present name of asyncio-mqtt).

All that this project must know about aiomqtt's and paho's insides is in this file, and tested in
tests/bus/test_connection.py against peers that misbehave:

* a connection attempt that fails after the TCP connect (silent broker, cancelled task) leaves its socket open and a
  task running in aiomqtt 2.5.1: `_abandon` closes them;
* paho connects in a thread that cannot be interrupted (5 s at most): `connected` waits for it before it gives up.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt

from engine.bus.endings import to_the_end
from engine.bus.topics import Message, checked_id, site_prefix
from engine.domain.values import Value
from engine.errors import ConfigError, UsageError

_SILENT = logging.getLogger("engine.bus.aiomqtt")
_SILENT.addHandler(logging.NullHandler())
_SILENT.setLevel(logging.CRITICAL)  # the link reports its state; paho's own remarks let a lying broker flood the log
_SILENT.propagate = False

_CONNECT_THREAD_S = 6.0  # paho's connect_timeout is 5 s
_LONGEST_INCOMING = 32  # messages kept of what a broker sends us; we ask for one topic only


class BrokerAddress(Value):
    """Where the broker is and how to sign in; frozen, made by settings.

    `ca_file`: a certificate authority in PEM; set, the connection is TLS and the broker's name is checked. `cert_file`
    and `key_file` are our own certificate. A broker that is not on loopback needs TLS, or `plain_text` said aloud, as
    on a network of containers. Times are seconds; the last will is sent by the broker 1.5 × `keepalive_s` after the
    engine's machine vanished, at once when only the engine died.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    site: str = "main"
    client_id: str = ""
    username: str | None = None
    password: str | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    plain_text: bool = False
    keepalive_s: int = 10
    timeout_s: float = 5.0

    def __repr__(self) -> str:
        return f"BrokerAddress({self.host}:{self.port}, site={self.site!r})"  # never the password

    @property
    def identifier(self) -> str:
        """The MQTT client id. Always the same, so that a restarted engine takes over its own half-dead connection."""
        return self.client_id or f"callwright-{self.site}"

    def check(self) -> None:
        """Refuse what cannot work or is unsafe.

        :raises ConfigError: naming the setting and the mend.
        """
        site_prefix(self.site)
        try:
            checked_id(self.identifier, what="client_id")
        except UsageError as bad:
            raise ConfigError(bad.what, where="the MQTT client_id", mend=bad.mend) from None
        if not 0 < self.port < 65536:
            raise ConfigError(f"{self.port} is no port", where="mqtt.port", mend="use 1 to 65535; MQTT's own is 1883")
        if self.keepalive_s < 1 or self.timeout_s <= 0:
            raise ConfigError("times must be positive", where="the MQTT keepalive_s, timeout_s")
        if bool(self.cert_file) != bool(self.key_file) or (self.cert_file and not self.ca_file):
            raise ConfigError("cert_file and key_file go together, with ca_file", where="the MQTT cert_file, key_file")
        if not (self.ca_file or self.plain_text or is_loopback(self.host)):
            raise ConfigError(
                f"plain text to {self.host} would show every event to the network",
                where="mqtt.ca_file",
                mend="give the broker's certificate authority, or set mqtt.plain_text = true on a network of your own",
            )

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS settings, or None for plain text. Reads files: call it off the event loop.

        :raises ConfigError: a file is missing or is no certificate.
        """
        if not self.ca_file:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ValueError) as bad:
            raise ConfigError(f"the broker's certificates cannot be used: {bad}", where="mqtt.ca_file") from bad
        return context


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its very name; no name server is asked."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@asynccontextmanager
async def connected(address: BrokerAddress, will: Message) -> AsyncIterator[aiomqtt.Client]:
    """Connect, yield the client, disconnect; leave no socket and no task behind, whatever the broker does.

    `will` is what the broker publishes when the connection breaks without a farewell.

    :raises aiomqtt.MqttError: nobody listens, the broker is silent, or it refuses us.
    :raises ConfigError: unusable certificates.
    """
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=address.identifier,
        logger=_SILENT,
        will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retained),
        clean_session=True,
        timeout=address.timeout_s,
        keepalive=address.keepalive_s,
        max_queued_incoming_messages=_LONGEST_INCOMING,
        tls_context=await asyncio.to_thread(address.tls_context),
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    try:
        # A thread of paho's connects. Cancelled, wait for it: a socket opened behind our back would live on.
        await to_the_end(asyncio.create_task(client.__aenter__()), patience_s=_CONNECT_THREAD_S)
        try:
            yield client
        finally:
            farewell = asyncio.create_task(client.__aexit__(None, None, None))
            await to_the_end(farewell, patience_s=address.timeout_s)
    finally:
        _abandon(client)


def _abandon(client: aiomqtt.Client) -> None:
    """Close the socket and stop the task that aiomqtt may have left; nothing to do after a clean end."""
    client._client._sock_close()  # noqa: SLF001 - calls back into aiomqtt, which removes its reader, writer and task
    ended = client._disconnected  # noqa: SLF001
    if ended.done() and not ended.cancelled():
        ended.exception()  # seen: asyncio would log "exception was never retrieved"
