"""Fixtures of the bus: both brokers under one face."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from engine.bus.broker import EmbeddedBroker
from tests.servers import MosquittoServer, mosquitto_server

__all__ = ["mosquitto_server"]


class AnyBroker(Protocol):
    """A broker that can vanish and come back on the same port, having forgotten everything."""

    @property
    def port(self) -> int: ...
    async def vanish(self) -> None: ...
    async def come_back(self) -> None: ...


class Mosquitto:
    """The production broker; it vanishes by kill -9."""

    def __init__(self, server: MosquittoServer) -> None:
        self._server = server

    @property
    def port(self) -> int:
        return self._server.port

    async def vanish(self) -> None:
        self._server.kill()

    async def come_back(self) -> None:
        self._server.start()


class Embedded:
    """The demo's broker; it vanishes by stopping."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker

    @property
    def port(self) -> int:
        return self._broker.port

    async def vanish(self) -> None:
        await self._broker.stop()

    async def come_back(self) -> None:
        await self._broker.start()


@pytest.fixture(params=["mosquitto", "amqtt"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[AnyBroker]:
    """A running broker, once mosquitto and once amqtt."""
    if request.param == "mosquitto":
        yield Mosquitto(request.getfixturevalue("mosquitto_server"))
        return
    embedded = EmbeddedBroker()
    await embedded.start()
    yield Embedded(embedded)
    await embedded.stop()
