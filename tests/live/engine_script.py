"""A stand-in engine of a hundred lines: a FastAGI server whose answers a test writes down, and nothing else.

It lets the dialplan be judged before and beside the real engine. It can be closed (connection refused), cut (all
sessions dropped, as by kill -9) and frozen (accepts and reads, never answers, as under SIGSTOP).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self


class Session:
    """One FastAGI session, seen from the engine's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.env: dict[str, str] = {}
        self.hung_up = False

    async def read_env(self) -> None:
        while (line := (await self._reader.readline()).decode().strip()) != "":
            name, _, value = line.partition(": ")
            self.env[name] = value

    async def command(self, text: str) -> str:
        self._writer.write(text.encode() + b"\n")
        while True:
            line = (await self._reader.readline()).decode().strip()
            if line != "HANGUP":
                return line
            self.hung_up = True

    async def done(self, next_: str, **variables: str) -> None:
        """What the real engine says last: where to go on, and that it has said all."""
        for name, value in {**variables, "CW_NEXT": next_, "CW_ENGINE_DONE": "1"}.items():
            await self.command(f'SET VARIABLE {name} "{value}"')

    async def until_gone(self) -> None:
        """Say nothing until Asterisk closes the session."""
        while line := await self._reader.readline():
            self.hung_up = self.hung_up or line.strip() == b"HANGUP"


Answer = Callable[[Session], Awaitable[None]]


async def silence(session: Session) -> None:
    """A frozen engine."""
    await session.until_gone()


class ScriptedEngine:
    """`async with`; `answers[path]` says what each kind of request gets; `asked` lists the requests in order."""

    def __init__(self, port: int, answers: dict[str, Answer]) -> None:
        self._port, self.answers = port, answers
        self.asked: list[tuple[str, str]] = []
        self.sessions: list[Session] = []
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def kill(self) -> None:
        """No listener, and every session cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def until_asked(self, path: str, times: int = 1, timeout_s: float = 15.0) -> None:
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: [name for name, _ in self.asked].count(path) >= times)
        except TimeoutError:
            raise TimeoutError(f"{path} was not asked {times} times within {timeout_s} s, only {self.asked}") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        session = Session(reader, writer)
        try:
            await session.read_env()
            path = session.env["agi_network_script"]
            async with self._changed:
                self.asked.append((path, session.env["agi_uniqueid"]))
                self.sessions.append(session)
                self._changed.notify_all()
            await self.answers[path](session)
        except (ConnectionError, asyncio.IncompleteReadError):
            session.hung_up = True
        finally:
            self._writers.discard(writer)
            writer.close()
