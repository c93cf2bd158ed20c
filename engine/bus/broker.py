"""An embedded MQTT broker (amqtt, MQTT 3.1.1) for the demo and for tests. Production uses mosquitto.

It is open to everybody, so it listens on loopback only, and keeps nothing beyond its own life. amqtt gets its
connections from a listener of ours: then port 0 works, a taken port is told in plain words, and connections can be
counted and ended.
"""

from __future__ import annotations

import asyncio
import errno
import logging

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from engine.errors import ConfigError, Conflict

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 64
_LISTENER = "default"
_ANONYMOUS = "amqtt.plugins.authentication.AnonymousAuthPlugin"


class EmbeddedBroker:
    """One broker on 127.0.0.1. `port` 0 takes a free one; the attribute `port` has the real one after `start`.

    :raises ConfigError: when made, for a number that is no port.
    """

    def __init__(self, port: int = 0) -> None:
        if not 0 <= port < 65536:
            raise ConfigError(f"{port} is no port", where="mqtt.port", mend="use 0 (any free one) to 65535")
        self.port = port
        self._broker: Broker | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Doing it again while it runs changes nothing.

        :raises Conflict: the port is taken.
        """
        if self._server is not None:
            return
        _hush()
        listener = ListenerConfig(type=ListenerType.EXTERNAL, bind=f"{LOOPBACK}:{self.port}")
        self._broker = Broker(BrokerConfig(listeners={_LISTENER: listener}, plugins={_ANONYMOUS: {}}))
        await self._broker.start()
        try:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        except OSError as why:
            await self._broker.shutdown()
            if why.errno != errno.EADDRINUSE:
                raise
            raise Conflict(
                f"port {self.port} is taken, perhaps by another MQTT broker",
                where="mqtt.port",
                mend="choose another port (0 takes a free one), or use that broker: mqtt.embedded = false",
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection and stop listening. Retained messages are gone; the port stays the same for `start`."""
        server, self._server = self._server, None
        broker, self._broker = self._broker, None
        if server is None or broker is None:
            return
        server.close()
        await broker.shutdown()
        for connection in self._connections:
            connection.cancel()  # one that never said CONNECT would wait for ever
        if self._connections:
            await asyncio.wait(self._connections)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        if self._broker is None or connection is None or len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(connection)
        try:
            await self._broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER)
        except asyncio.CancelledError:
            pass  # `stop` ended it; asyncio's stream server would report it as an error
        except Exception:  # noqa: BLE001, S110 - whatever a client's bytes do to amqtt ends that client only
            pass
        finally:
            self._connections.discard(connection)
            writer.close()


def _hush() -> None:
    """Keep amqtt's and its state machine library's log lines off the screen and out of our log."""
    for name in ("amqtt", "transitions"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
