"""A process that runs one link until it is killed: `python -m tests.bus.lone_link PORT`."""

from __future__ import annotations

import asyncio
import sys

from engine.bus.connection import BrokerAddress
from engine.bus.link import LinkReport, LinkState, MqttLink
from tests.bus.peers import MemoryOutbox


def _say(report: LinkReport) -> None:
    if report.state is LinkState.ONLINE:
        sys.stdout.write("online\n")
        sys.stdout.flush()


async def _main() -> None:
    link = MqttLink(BrokerAddress(port=int(sys.argv[1]), keepalive_s=2), MemoryOutbox(), _say)
    async with asyncio.timeout(60):
        await link.run()


if __name__ == "__main__":
    asyncio.run(_main())
