import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_network

import pytest

from engine.agi.ask import Asked, Collect
from engine.agi.call import AgiSession
from engine.agi.codec import AgiRequest
from engine.agi.server import ADMITTED, AgiLimits, AgiServer, AgiVerdict
from engine.agi.session import AgiHangup
from engine.errors import AgiRefused, AgiSoundMissing, AgiTimeout, ConfigError
from engine.testing.agi_peer import AgiPeer
from tests.agi.desk import LOOPBACK, PATIENCE, SECRET, admit_all, call, open_door, serve_nothing


def caller(uniqueid: str = "1.1", *, secret: str = SECRET, keys: str = "", **more: object) -> AgiPeer:
    return AgiPeer(uniqueid, secret, keys=keys, **more)  # type: ignore[arg-type]


# --- a session


async def test_a_flow_over_a_real_socket() -> None:
    seen: list[object] = []

    async def flow(session: AgiSession) -> None:
        await session.answer()
        await session.set_variable("NAME", '张伟 "x" \\')
        seen.append(await session.get_variable("NAME"))
        seen.append(await session.get_variable("UNSET"))
        seen.append(await session.ask(["welcome", "menu"], "123", Collect(max_digits=1)))
        seen.append(await session.exec("StartMusicOnHold", "default"))
        await session.set_variable("ENGINE_DONE", "1")

    async with open_door(flow) as server:
        peer = await call(server, caller(keys="2", args=("menu-3",), slice_bytes=1))
        assert server.stats == {"admitted": 1, "served": 1}
    assert [str(thing) for thing in seen[:2]] == ['张伟 "x" \\', "None"]
    assert isinstance(seen[2], Asked)
    assert seen[2].digits == "2"
    assert peer.played == ["welcome", "menu"]
    assert peer.variables["ENGINE_DONE"] == "1"
    assert peer.ended_by == "engine"


async def test_the_secret_is_taken_off_the_arguments() -> None:
    requests: list[AgiRequest] = []

    async def flow(session: AgiSession) -> None:
        requests.append(session.request)

    async with open_door(flow) as server:
        await call(server, caller(args=("a", "b")))
    assert requests[0].args == ("a", "b")


async def test_barge_in_over_the_wire() -> None:
    answers: list[Asked] = []

    async def flow(session: AgiSession) -> None:
        answers.append(await session.ask(["a", "b", "c"], "0123456789#", Collect(max_digits=4)))

    async with open_door(flow) as server:
        peer = await call(server, caller(keys=".12#", barge_in=True))
    assert (answers[0].digits, peer.played) == ("12", ["a", "b"])


@pytest.mark.parametrize("step", range(1, 7))
async def test_a_caller_who_hangs_up_at_any_step_ends_the_flow_cleanly(step: int) -> None:
    ends: list[str] = []

    async def flow(session: AgiSession) -> None:
        try:
            await session.answer()
            await session.ask(["a", "b"], "12", Collect(max_digits=2))
            await session.set_variable("X", "1")
            await session.exec("Playback", "bye")
        except AgiHangup:
            ends.append(session.why_gone)
            raise

    async with open_door(flow) as server:
        peer = await call(server, caller(hang_up_at=step))
        assert server.stats["hung-up"] == len(ends) == 1
        assert server.live == 0
    assert peer.hung_up


async def test_a_hangup_is_noticed_while_no_command_is_under_way() -> None:
    idle, noticed = asyncio.Event(), asyncio.Event()

    async def flow(session: AgiSession) -> None:
        idle.set()
        await session.wait_gone()
        with pytest.raises(AgiHangup):
            await session.answer()
        noticed.set()

    async with open_door(flow) as server:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(caller().environment())
            await idle.wait()
            writer.close()
            await noticed.wait()


async def test_a_missing_sound_is_not_taken_for_a_hangup() -> None:
    errors: list[Exception] = []

    async def flow(session: AgiSession) -> None:
        await session.answer()
        for name in ("no-such", "there"):
            try:
                await session.stream_file(name)
            except AgiSoundMissing as missing:
                errors.append(missing)

    async with open_door(flow) as server:
        peer = await call(server, caller(sounds=frozenset({"there"})))
        assert server.stats["served"] == 1
    assert peer.played == ["there"]
    assert "no-such" in str(errors[0])


async def scripted_asterisk(server: AgiServer, replies: list[bytes]) -> list[bytes]:
    """Answer the n-th command with the n-th bytes; afterwards say nothing more. The commands that came."""
    commands: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(caller().environment())
        while line := await reader.readline():
            commands.append(line)
            if replies:
                writer.write(replies.pop(0))
        writer.close()
    return commands


async def test_refusals_of_asterisk_are_errors_with_the_caller_still_there() -> None:
    outcomes: list[str] = []

    async def flow(session: AgiSession) -> None:
        for _ in range(3):
            try:
                await session.exec("Playback", "x")
            except AgiRefused as refused:
                outcomes.append(refused.what)
        await session.answer()

    usage = b"520-Invalid command syntax.  Proper usage follows:\n Usage: EXEC\n\n520 End of proper usage.\n"
    replies = [b"510 Invalid or unknown command\n", usage, b"200 result=-2\n", b"200 result=0\n"]
    async with open_door(flow) as server:
        await scripted_asterisk(server, replies)
        assert server.stats["served"] == 1
    assert [outcome.split(":")[0] for outcome in outcomes] == ["Asterisk refused"] * 2 + [
        "Asterisk has no such application"
    ]


async def test_garbage_for_a_reply_ends_the_session() -> None:
    async def flow(session: AgiSession) -> None:
        with pytest.raises(AgiHangup, match="garbage"):
            await session.answer()
        raise AgiHangup

    async with open_door(flow) as server:
        await scripted_asterisk(server, [b"GET / HTTP/1.0\n"])
        assert server.stats["hung-up"] == 1


async def test_a_cancelled_prompt_leaves_the_session_in_step() -> None:
    digits: list[str] = []

    async def flow(session: AgiSession) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await session.stream_file("long")
        digits.append(await session.wait_for_digit(1))

    # The prompt, ended by the next command, is never answered: the first reply is that of the NOOP.
    async with open_door(flow) as server:
        commands = await scripted_asterisk(server, [b"", b"200 result=0\n", b"200 result=55\n"])
    assert digits == ["7"]
    assert [command.split()[0] for command in commands] == [b"STREAM", b"NOOP", b"WAIT"]


async def test_an_asterisk_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.agi.command.ANSWER_SECONDS", 0.02)

    async def flow(session: AgiSession) -> None:
        with pytest.raises(AgiTimeout):
            await session.answer()
        with pytest.raises(AgiHangup):
            await session.hangup()

    async with open_door(flow) as server:
        await scripted_asterisk(server, [])
        assert server.stats["served"] == 1


# --- admission


async def refused(server: AgiServer, sent: bytes) -> None:
    """Connect, send, and read until the server closes without a word. It counts before it closes."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (caller(secret="wrong").environment(), "wrong-secret"),
        (caller(secret="").environment(), "wrong-secret"),
        (b"agi_network: yes\n\n", "bad-environment"),
        (b"GET / HTTP/1.0\r\n\r\n", "bad-environment"),
        (b"x" * 9000, "bad-environment"),
        (b"agi_x: 1\n" * 65, "bad-environment"),
        (b"agi_network: yes\n", "environment-timeout"),
        (b"", "environment-timeout"),
    ],
)
async def test_peers_without_a_right_to_a_session_are_closed_and_counted(sent: bytes, reason: str) -> None:
    async with open_door(limits=AgiLimits(environment_s=0.05)) as server:
        await refused(server, sent)
        assert server.stats == {reason: 1}


async def flood(writer: asyncio.StreamWriter, most: int, sent: list[int]) -> None:
    while sum(sent) < most:
        writer.write(b"agi_x" * 1000)
        sent.append(5000)
        await writer.drain()


async def test_a_peer_that_sends_for_ever_is_cut_at_the_limit() -> None:
    sent: list[int] = []
    async with open_door() as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with pytest.raises(ConnectionError):
            await flood(writer, 1 << 30, sent)
        assert sum(sent) < 1 << 24
        assert server.stats == {"bad-environment": 1}
        writer.close()


async def test_an_address_that_is_not_allowed_is_refused_unread() -> None:
    async with open_door(allow="192.0.2.0/24") as server:
        await refused(server, b"")
        assert server.stats == {"peer-not-allowed": 1}


async def test_the_engine_has_the_last_word() -> None:
    async def unknown(request: AgiRequest) -> AgiVerdict:
        return AgiVerdict(False, "unknown-channel") if request.uniqueid == "6.6" else ADMITTED

    async with open_door(admit=unknown) as server:
        await refused(server, caller("6.6").environment())
        await call(server, caller("1.1"))
        assert server.stats == {"unknown-channel": 1, "admitted": 1, "served": 1}


async def test_an_admission_that_hangs_or_breaks_is_a_refusal() -> None:
    async def never(request: AgiRequest) -> AgiVerdict:
        if request.uniqueid == "6.6":
            raise LookupError("no such table")
        await asyncio.Event().wait()
        raise AssertionError

    async with open_door(admit=never, limits=AgiLimits(admit_s=0.02)) as server:
        await refused(server, caller("1.1").environment())
        await refused(server, caller("6.6").environment())
        assert server.stats == {"admission-timeout": 1, "admission-failed": 1}


async def test_a_second_live_session_of_a_channel_is_refused_and_a_later_one_not() -> None:
    first_is_in, first_may_go = asyncio.Event(), asyncio.Event()

    async def flow(_: AgiSession) -> None:
        if not first_is_in.is_set():
            first_is_in.set()
            await first_may_go.wait()

    async with open_door(flow, limits=AgiLimits(duplicate_grace_s=0.05)) as server:
        first = asyncio.create_task(call(server, caller("1.1")))
        await asyncio.wait_for(first_is_in.wait(), PATIENCE)
        await refused(server, caller("1.1").environment())
        assert server.stats["second-session"] == 1
        first_may_go.set()
        await first
        await call(server, caller("1.1"))
        assert server.stats["served"] == 2


async def test_a_session_waits_for_the_end_of_the_one_before() -> None:
    order: list[str] = []
    ending = asyncio.Event()

    async def flow(session: AgiSession) -> None:
        order.append("in")
        if len(order) == 1:
            ending.set()
            await session.wait_gone()
            await asyncio.sleep(0)
        order.append("out")

    async with open_door(flow) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(caller("1.1").environment())
        await asyncio.wait_for(ending.wait(), PATIENCE)
        again = asyncio.create_task(call(server, caller("1.1")))
        writer.close()
        await again
    assert order == ["in", "out", "in", "out"]


async def test_connections_are_capped_in_all_and_per_peer() -> None:
    for limits, reason in (
        (AgiLimits(connections=2), "too-many-connections"),
        (AgiLimits(connections_per_peer=2), "too-many-from-peer"),
    ):
        async with open_door(limits=limits) as server:
            holding = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            await refused(server, b"")
            assert server.stats == {reason: 1}
            for reader, writer in holding:
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
            assert server.stats["no-environment"] == 2
            await call(server, caller())
            assert server.stats["served"] == 1


# --- the door itself


async def test_a_flow_that_breaks_hurts_only_its_own_caller() -> None:
    async def flow(session: AgiSession) -> None:
        if session.request.uniqueid == "1.1":
            raise ZeroDivisionError

    async with open_door(flow) as server:
        await call(server, caller("1.1"))
        await call(server, caller("1.2"))
        assert server.stats == {"admitted": 2, "failed": 1, "served": 1}


async def test_scripts_may_have_their_own_routes() -> None:
    scripts: list[str] = []

    async def login(session: AgiSession) -> None:
        scripts.append(session.request.script)

    async with open_door(routes={"login": login}) as server:
        await call(server, caller(script="login"))
        await call(server, caller(script="flow"))
    assert scripts == ["login"]


async def test_shutting_the_door_lets_sessions_finish_and_cancelling_ends_them() -> None:
    inside, leave = asyncio.Event(), asyncio.Event()
    cancelled: list[bool] = []

    async def flow(_: AgiSession) -> None:
        inside.set()
        try:
            await leave.wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    for finish in (True, False):
        inside.clear()
        leave.clear()
        server = AgiServer(("127.0.0.1", 0), secret=SECRET, allow=LOOPBACK, admit=admit_all, serve=flow)
        running = asyncio.create_task(server.run())
        await server.wait_listening()
        calling = asyncio.create_task(call(server, caller()))
        await asyncio.wait_for(inside.wait(), PATIENCE)
        if finish:
            server.shut_door()
            leave.set()
            await asyncio.wait_for(running, PATIENCE)
            assert server.stats["served"] == 1
        else:
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        await calling
    assert cancelled == [True]


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = AgiServer(("127.0.0.1", port), secret=SECRET, allow=LOOPBACK, admit=admit_all, serve=serve_nothing)
        with pytest.raises(ConfigError, match=str(port)) as refused:
            await server.run()
        assert refused.value.where == "asterisk.agi_bind, asterisk.agi_port"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^asterisk\.agi_secret: .* 5 characters"):
        AgiServer(("127.0.0.1", 0), secret="short", allow=[ip_network("::1/128")], admit=admit_all, serve=serve_nothing)
