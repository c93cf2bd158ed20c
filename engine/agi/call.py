"""A live FastAGI session: the commands a flow may give, as coroutines."""

import asyncio
from collections.abc import Mapping, Sequence

from engine.agi import command
from engine.agi.ask import Asked, Asking, Collect
from engine.agi.codec import AgiRequest, Reply
from engine.agi.command import Command
from engine.agi.session import AgiDialogue, AgiHangup, Event, Left, Replied, Started
from engine.errors import AgiProtocolError, AgiRefused, AgiSoundMissing, AgiTimeout

READ_BYTES = 4096


class AgiSession:
    """One caller's session, while `serve` runs.

    Every command raises `AgiHangup` when the caller is gone from it (hung up, sent elsewhere, connection lost),
    `AgiRefused` when Asterisk will not do it, `AgiTimeout` when Asterisk says nothing for too long, and
    `AgiCommandInvalid` before anything is sent when a value cannot be. One command at a time. A command may be
    cancelled: a prompt or a wait then ends with the next command; any other leaves the session unusable.
    """

    def __init__(self, dialogue: AgiDialogue, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._dialogue = dialogue
        self._reader = reader
        self._writer = writer
        self._request: AgiRequest | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._gone = asyncio.Event()
        self.why_gone = ""

    @property
    def request(self) -> AgiRequest:
        """Who calls, from where: the environment, with the secret taken off the arguments."""
        assert self._request is not None, "a session is handed out after its environment"  # noqa: S101
        return self._request

    def admit_as(self, request: AgiRequest) -> None:
        """Put the checked request (secret taken off) in place of the raw one. For the server."""
        self._request = request

    @property
    def gone(self) -> bool:
        """Whether the caller is known to be gone."""
        return self._gone.is_set()

    async def wait_gone(self) -> None:
        """Return when the caller is gone. Noticed at once, also while no command is under way."""
        await self._gone.wait()

    async def answer(self) -> None:
        """Answer the call, unless it is up."""
        await self._perform(command.answer())

    async def hangup(self) -> None:
        """End the call."""
        await self._perform(command.hangup())

    async def stream_file(self, name: str, escape_digits: str = "") -> str:
        """Play a sound; the key of `escape_digits` that stopped it, or "".

        Raises:
            AgiSoundMissing: Asterisk cannot play it, and the caller is still there.
        """
        return (await self._perform(command.stream_file(name, escape_digits))).digit

    async def wait_for_digit(self, timeout_s: float) -> str:
        """Wait for a key, at most `timeout_s` seconds; "" if none came."""
        return (await self._perform(command.wait_for_digit(max(1, round(timeout_s * 1000))))).digit

    async def say_number(self, number: int, escape_digits: str = "") -> str:
        """Speak a number with Asterisk's own sounds; the key that stopped it, or ""."""
        return (await self._perform(command.say_number(number, escape_digits))).digit

    async def say_digits(self, digits: str, escape_digits: str = "") -> str:
        """Speak digit by digit with Asterisk's own sounds; the key that stopped it, or ""."""
        return (await self._perform(command.say_digits(digits, escape_digits))).digit

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable."""
        await self._perform(command.set_variable(name, value))

    async def set_variables(self, values: Mapping[str, str]) -> None:
        """Set channel variables in this order: by one command where their values allow it, which spares both sides."""
        if all(command.is_plain(value) for value in values.values()):
            await self.exec("MSet", *(f"{name}={value}" for name, value in values.items()))
            return
        for name, value in values.items():
            await self.set_variable(name, value)

    async def get_variable(self, name: str) -> str | None:
        """Read a channel variable; None if it is not set.

        Read only what the engine or the dialplan wrote: Asterisk prints the value raw, so text that a caller chose
        could hold what looks like the next reply.
        """
        reply = await self._perform(command.get_variable(name))
        return reply.data if reply.result == "1" else None

    async def exec(self, application: str, *arguments: str) -> str:
        """Run one of the harmless applications (`engine.agi.command.APPLICATIONS`); its result."""
        return (await self._perform(command.execute(application, *arguments))).result

    async def ask(self, prompts: Sequence[str], escape: str = "", collect: Collect | None = None) -> Asked:
        """Play prompts in order, then collect digits: the rules are those of `engine.agi.ask`."""
        asking = Asking(prompts, escape, collect)
        step = asking.start()
        while isinstance(step, Command):
            step = asking.answered(await self._perform(step))
        return step

    async def _perform(self, wanted: Command) -> Reply:
        """Send a command and judge its reply."""
        if self._dialogue.needs_resync:
            await self._exchange(command.noop())
        reply = await self._exchange(wanted)
        if reply.code != 200:
            raise AgiRefused(f"Asterisk refused: {reply.code} {reply.text.partition(chr(10))[0]}", where=_where(wanted))
        if reply.result == "-2":
            raise AgiRefused(
                "Asterisk has no such application", where=_where(wanted), mend="load its module: modules.conf"
            )
        if reply.result == "-1" and wanted.may_fail_alive:
            await self._explain_failure(wanted)
        if reply.result == "-1" or reply.data == "hangup":
            self._leave("hangup")
            raise AgiHangup(wanted.verb)
        return reply

    async def _explain_failure(self, failed: Command) -> None:
        """Return if the caller is gone; raise what went wrong if not.

        Asterisk answers -1 both for a hang-up and for a sound that does not exist; only `CHANNEL STATUS` is refused on
        a dead channel and granted on a live one.
        """
        status = await self._exchange(command.channel_status())
        if status.code != 200 or status.result == "-1":
            return
        if failed.verb == "STREAM FILE":
            raise AgiSoundMissing(
                f"Asterisk cannot play the sound {failed.arguments[0]!r}",
                where=_where(failed),
                mend="put the file into Asterisk's sounds folder, in a format it reads",
            )
        raise AgiRefused("it failed while the caller was still there", where=_where(failed))

    async def _exchange(self, wanted: Command) -> Reply:
        line = self._dialogue.send(wanted)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._reply = reply
        try:
            async with asyncio.timeout(wanted.reply_within):
                self._writer.write(line)
                await self._writer.drain()
                return await reply
        except TimeoutError:
            self._leave("timeout")
            self._dialogue.close()
            raise AgiTimeout(
                f"no reply within {wanted.reply_within:g} s", where=_where(wanted), mend="see Asterisk's log"
            ) from None
        except asyncio.CancelledError:
            self._dialogue.abandon()
            raise
        except OSError as lost:
            self._leave("eof")
            raise AgiHangup("eof") from lost
        finally:
            self._reply = None
            if reply.done() and not reply.cancelled():
                reply.exception()  # looked at, so that asyncio does not report it as forgotten

    async def begin(self) -> AgiRequest:
        """Read the environment. For the server, before `pump`.

        Raises:
            AgiProtocolError: what came is no environment, or it ended early.
        """
        while self._request is None:
            self._feed(await self._read())
        return self._request

    async def pump(self) -> None:
        """Read what Asterisk says until it is over. For the server, beside `serve`."""
        try:
            while not self.gone:
                self._feed(await self._read())
        except AgiProtocolError:
            self._leave("garbage")
        finally:
            self._leave("closed")

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            return b""

    def _feed(self, data: bytes) -> None:
        if not data:
            self._leave("eof")
        for event in self._dialogue.receive(data) if data else self._dialogue.receive_eof():
            self._happen(event)

    def _happen(self, event: Event) -> None:
        match event:
            case Started(request):
                self._request = request
            case Replied(_, reply):
                if self._reply is not None and not self._reply.done():
                    self._reply.set_result(reply)
            case Left(why):
                self._leave(why)

    def _leave(self, why: str) -> None:
        if self._gone.is_set():
            return
        self.why_gone = why
        self._gone.set()
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(AgiHangup(why))


def _where(failed: Command) -> str:
    return f"AGI {failed.verb}"
