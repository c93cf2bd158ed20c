"""A TCP proxy on loopback that a test can cut (RST), make swallow everything, or shut."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Self

from engine.lab.loopback import free_port

_RST = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST (tcp(7))."""


class Proxy:
    """`async with Proxy()`; `port` is where to connect, `target` where it leads (both settable until it is opened)."""

    def __init__(self, target: int = 0, port: int = 0) -> None:
        self.target = target
        self.port = port or free_port()
        self.carried = 0
        """Connections accepted so far."""
        self._swallowing = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shut()
        self.cut()

    async def open(self) -> None:
        """Accept connections."""
        self._swallowing = False
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    def shut(self) -> None:
        """Refuse new connections; those that stand go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Reset every connection, both ways."""
        for writer in tuple(self._writers):
            carrier = writer.get_extra_info("socket")
            if carrier is not None:
                carrier.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            writer.transport.abort()
        self._writers.clear()

    def swallow(self) -> None:
        """From now on nothing comes through any connection, and none is closed: a black hole."""
        self._swallowing = True

    def heal(self) -> None:
        """New connections come through again. The old ones have lost bytes and are cut."""
        self._swallowing = False
        self.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carried += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            if not self._swallowing:  # else they are kept, to be cut when it heals
                self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if not self._swallowing:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        if not self._swallowing:
            writer.close()
