"""A small AMI connection of the lab's own, so that the far side is never judged through the engine's client.

Only what the lab needs: log in, send an action, await its answer, watch events. Values are ours, so nothing is escaped.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Self

from engine.errors import AsteriskUnreachable

Event = dict[str, str]
_ANSWER_S: Final = 10.0


class Wire:
    """One logged-in AMI connection. Events go to `on_event` in order; `raw` holds all bytes when asked to keep them."""

    def __init__(self, port: int, secret: str, *, user: str = "callwright", keep: bool = False) -> None:
        self._port, self._secret, self._user = port, secret, user
        self._answers: dict[str, asyncio.Future[Event]] = {}
        self._watchers: list[Callable[[Event], None]] = []
        self._serial = 0
        self._keep = keep
        self.raw = bytearray()
        self.events: list[Event] = []
        """Every event since the connection was made."""

    async def __aenter__(self) -> Self:
        """Connect and log in.

        Raises:
            AsteriskUnreachable: refused.
        """
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self._reader.readline()
        self._task = asyncio.create_task(self._read(), name=f"lab wire {self._port}")
        answer = await self.send("Login", Username=self._user, Secret=self._secret)
        if answer.get("Response") != "Success":
            raise AsteriskUnreachable(answer.get("Message", "login refused"), where=f"AMI port {self._port}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        self._task.cancel()
        self._writer.close()
        await asyncio.gather(self._task, return_exceptions=True)

    async def send(self, action: str, **headers: str | list[str]) -> Event:
        """The answer to one action; underscores in header names become hyphens."""
        self._serial += 1
        serial = f"lab{self._serial}"
        lines = [f"Action: {action}", f"ActionID: {serial}"]
        for name, value in headers.items():
            values = value if isinstance(value, list) else [value]
            lines.extend(f"{name.replace('_', '-')}: {one}" for one in values)
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._answers[serial] = future
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(_ANSWER_S):
            return await future

    def watch(self, watcher: Callable[[Event], None]) -> None:
        """Call `watcher` for each event from now on."""
        self._watchers.append(watcher)

    async def until(self, timeout_s: float = 15.0, *, since: int = 0, **headers: str) -> Event:
        """The first event, counted from number `since` on, whose headers equal those given.

        Raises:
            TimeoutError: none came in time; the message lists what did come.
        """
        wanted = headers.items()
        found: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def look(event: Event) -> None:
            if wanted <= event.items() and not found.done():
                found.set_result(event)

        for event in self.events[since:]:
            look(event)
        self._watchers.append(look)
        try:
            async with asyncio.timeout(timeout_s):
                return await found
        except TimeoutError:
            seen = [f"{event.get('Event')}:{event.get('Channel', '')}" for event in self.events[since:]][-30:]
            raise TimeoutError(f"no {headers} within {timeout_s} s; seen: {seen}") from None
        finally:
            self._watchers.remove(look)

    async def _read(self) -> None:
        message: Event = {}
        while line := await self._reader.readline():
            if self._keep:
                self.raw += line
            text = line.decode(errors="replace").rstrip("\r\n")
            if text:
                name, _, value = text.partition(":")
                message.setdefault(name, value.strip())
                continue
            if message:
                self._take(message)
            message = {}
        for future in self._answers.values():
            if not future.done():
                future.set_exception(AsteriskUnreachable("the connection ended", where=f"AMI port {self._port}"))

    def _take(self, message: Event) -> None:
        if "Event" not in message:
            future = self._answers.pop(message.get("ActionID", ""), None)
            if future is not None and not future.done():
                future.set_result(message)
            return
        self.events.append(message)
        for watcher in tuple(self._watchers):
            watcher(message)
