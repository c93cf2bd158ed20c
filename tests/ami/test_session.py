"""One connection as a state machine, in virtual time: nothing here waits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.ami import action
from engine.ami.codec import Action, Anomaly, Message
from engine.ami.session import (
    MAX_FORGOTTEN,
    SECOND,
    Died,
    Happened,
    Keepalive,
    LoggedIn,
    Outcome,
    Phase,
    Replied,
    Session,
)
from engine.errors import AmiBusy, AmiLost, AmiUnencodable

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
WELCOME = b"Response: Success\r\nActionID: p-login\r\nMessage: Authentication accepted\r\n\r\n"


def fresh(max_waiting: int = 2_000) -> Session:
    return Session("p", username="callwright", secret="s3cret", events=True, max_waiting=max_waiting)


def up(now: int = 0, max_waiting: int = 2_000) -> Session:
    session = fresh(max_waiting)
    session.start(now)
    session.receive(GREETING + WELCOME, now)
    assert session.phase is Phase.UP
    return session


def reply(action_id: str, *lines: str, kind: str = "Success") -> bytes:
    return "\r\n".join([f"Response: {kind}", f"ActionID: {action_id}", *lines, "", ""]).encode()


def event(name: str, *lines: str) -> bytes:
    return "\r\n".join([f"Event: {name}", *lines, "", ""]).encode()


# Login ----------------------------------------------------------------------------------------------------------------


def test_the_login_says_who_and_whether_events_are_wanted() -> None:
    raw = fresh().start(0)
    assert raw == b"Action: Login\r\nActionID: p-login\r\nUsername: callwright\r\nSecret: s3cret\r\nEvents: on\r\n\r\n"


def test_up_comes_before_the_first_event_even_in_one_read() -> None:
    session = fresh()
    session.start(0)
    outcomes = session.receive(GREETING + WELCOME + event("FullyBooted"), 1)
    assert outcomes[0] == LoggedIn("Asterisk Call Manager/11.0.0")
    assert outcomes[1:] == [Happened(Message.of([("Event", "FullyBooted")]))]
    assert session.was_up


def test_a_refused_login_is_death_with_its_reason() -> None:
    session = fresh()
    session.start(0)
    outcomes = session.receive(GREETING + reply("p-login", "Message: Authentication failed", kind="Error"), 1)
    assert outcomes == [Died("Authentication failed", refused=True)]
    assert session.phase is Phase.DEAD
    assert not session.was_up


def test_nothing_is_believed_before_the_login() -> None:
    session = fresh()
    session.start(0)
    assert session.receive(GREETING + event("Hangup", "Uniqueid: 1.1") + reply("p-1"), 1) == []
    with pytest.raises(AmiLost, match="not up"):
        session.request(action.ping())


@pytest.mark.parametrize(("raw", "missing"), [(b"", "greeting"), (GREETING, "login")])
def test_a_peer_that_says_nothing_is_left_in_time(raw: bytes, missing: str) -> None:
    session = fresh()
    session.start(1_000)
    session.receive(raw, 1_000)
    deadline = session.deadline()
    assert deadline == 1_000 + 5 * SECOND
    assert session.tick(deadline - 1) == (b"", None)
    assert session.tick(deadline) == (b"", Died(f"no answer to the {missing} in 5 s"))
    assert session.deadline() is None


def test_a_secret_that_cannot_be_sent_is_refused_at_once() -> None:
    with pytest.raises(AmiUnencodable, match="field 'Secret'"):
        Session("p", username="u", secret="a\nb", events=True)


# Answers --------------------------------------------------------------------------------------------------------------


def test_an_answer_finds_its_action() -> None:
    session = up()
    first, _ = session.request(action.core_status())
    second, _ = session.request(action.core_settings())
    assert session.receive(reply(second) + reply(first), 1) == [
        Replied(second, Message.of([("Response", "Success"), ("ActionID", second)])),
        Replied(first, Message.of([("Response", "Success"), ("ActionID", first)])),
    ]
    assert session.waiting == 0


def test_a_list_is_known_by_its_headers_never_by_its_words() -> None:
    session = up()
    listed, _ = session.request(action.core_show_channels())
    plain, _ = session.request(action.hangup("1.1"))
    raw = (
        reply(plain, "Message: Channels will follow")  # words of a list, but it is none
        + reply(listed, "EventList: start", "Message: 好")
        + event("CoreShowChannel", f"ActionID: {listed}", "Uniqueid: 1.1")
        + event("Newchannel", "Uniqueid: 1.3")
        + event("SomethingComplete", f"ActionID: {listed}", "Uniqueid: 1.2")  # a name that only sounds like the end
        + event("X", f"ActionID: {listed}", "EventList: Complete", "ListItems: 2")
    )
    outcomes = session.receive(raw, 1)
    assert [type(each) for each in outcomes] == [Replied, Happened, Replied]
    assert [item["Uniqueid"] for item in replied(outcomes[2]).items] == ["1.1", "1.2"]
    assert session.waiting == 0


def replied(outcome: Outcome) -> Replied:
    assert isinstance(outcome, Replied)
    return outcome


def test_an_empty_list_and_a_refused_list_end() -> None:
    session = up()
    empty, _ = session.request(action.core_show_channels())
    refused, _ = session.request(action.bridge_info("b"))
    raw = reply(empty, "EventList: start") + event("E", f"ActionID: {empty}", "EventList: Complete")
    outcomes = session.receive(raw + reply(refused, "Message: Specified BridgeUniqueid not found", kind="Error"), 1)
    assert [replied(each).items for each in outcomes] == [(), ()]
    assert [replied(each).response.success for each in outcomes] == [True, False]


def test_originate_is_answered_and_its_later_event_is_passed_on() -> None:
    session = up()
    wanted = action.originate(channel="PJSIP/a", channel_id="attempt_1", context="c", exten="e", timeout_ms=1000)
    action_id, _ = session.request(wanted)
    assert action_id == "attempt_1"
    outcomes = session.receive(reply("attempt_1"), 1)
    outcomes += session.receive(event("OriginateResponse", "ActionID: attempt_1", "Response: Failure"), 2)
    assert [type(each) for each in outcomes] == [Replied, Happened]


def test_one_id_waits_once() -> None:
    session = up()
    twice = Action("Ping", action_id="a")
    session.request(twice)
    with pytest.raises(AmiUnencodable, match="already waits"):
        session.request(twice)


def test_what_waits_is_bounded() -> None:
    session = up(max_waiting=3)
    for _ in range(3):
        session.request(action.core_status())
    with pytest.raises(AmiBusy, match="3 actions wait"):
        session.request(action.core_status())


def test_what_was_given_up_is_remembered_within_bounds() -> None:
    session = up()
    for _ in range(MAX_FORGOTTEN + 10):
        action_id, _ = session.request(action.core_status())
        session.forget(action_id)
    assert len(session._forgotten) == MAX_FORGOTTEN
    assert session.waiting == 0


def test_an_action_that_cannot_be_sent_leaves_nothing_behind() -> None:
    session = up()
    with pytest.raises(AmiUnencodable):
        session.request(Action("Hangup", (("Channel", "a\r\nb"),)))
    assert session.waiting == 0


def test_what_comes_late_is_dropped_and_counted() -> None:
    session = up()
    listed, _ = session.request(action.core_show_channels())
    session.forget(listed)
    raw = reply(listed, "EventList: start") + event("CoreShowChannel", f"ActionID: {listed}") + reply("unknown")
    assert session.receive(raw, 1) == []
    assert session.late == 3


def test_a_dead_session_says_nothing_more() -> None:
    session = up()
    assert session.closed("cut") == Died("cut")
    assert session.closed("cut again") is None
    assert session.receive(event("Hangup"), 5) == []
    assert session.tick(10 * SECOND) == (b"", None)
    with pytest.raises(AmiLost):
        session.request(action.ping())


def test_forged_lines_reach_the_engine_marked() -> None:
    session = up()
    evil = "CallerIDNum: 1\r\nEvent: Hangup\r\nUniqueid: 9.9"
    (outcome,) = session.receive(event("Newchannel", evil, "Uniqueid: 1.1"), 1)
    assert isinstance(outcome, Happened)
    assert outcome.message.event == "Newchannel"
    assert outcome.message.repeated == ("event", "uniqueid")
    assert session.decoder.anomalies[Anomaly.REPEATED_HEADER] == 2


def test_a_connection_without_events_hears_none() -> None:
    """A list prints callers' numbers too, and no event filter looks at it."""
    session = Session("p", username="u", secret="s", events=False)
    session.start(0)
    session.receive(GREETING + WELCOME, 0)
    listed, _ = session.request(action.core_show_channels())
    evil = "CallerIDNum: 1\r\n\r\nEvent: Hangup\r\nUniqueid: 9.9\r\n\r\nX: 1"
    raw = (
        reply(listed, "EventList: start")
        + event("CoreShowChannel", f"ActionID: {listed}", evil, "Uniqueid: 1.1")
        + event("E", f"ActionID: {listed}", "EventList: Complete")
    )
    (outcome,) = session.receive(raw, 1)
    (item,) = replied(outcome).items
    assert "Uniqueid" not in item
    assert session.unasked == 1


# Keepalive ------------------------------------------------------------------------------------------------------------


def pong(raw: bytes) -> bytes:
    """The answer to a ping's bytes."""
    return reply(raw.decode().split("ActionID: ")[1].split("\r\n")[0], "Ping: Pong")


def live(session: Session, until: int, *, answers_until: int, chatter: bool = False) -> tuple[int, Died | None, int]:
    """Tick at each deadline up to `until`; the peer answers pings before `answers_until`. (when, death, pings)"""
    pings, now = 0, 0
    while (deadline := session.deadline()) is not None and deadline <= until:
        now = deadline
        raw, died = session.tick(now)
        if died is not None:
            return now, died, pings
        if raw:
            pings += 1
            if now < answers_until:
                assert session.receive(pong(raw), now + 1_000) == []
        if chatter:
            session.receive(event("Newstate"), now)
    return now, None, pings


def test_a_ping_every_two_seconds_while_all_is_well() -> None:
    when, died, pings = live(up(), 3600 * SECOND, answers_until=9999 * SECOND)
    assert died is None
    assert pings == 1800
    assert when == 3600 * SECOND


@given(st.integers(0, 20 * SECOND))
def test_a_blackhole_is_noticed_within_six_seconds(silent_from: int) -> None:
    when, died, _ = live(up(), 60 * SECOND, answers_until=silent_from)
    assert died is not None
    assert "silent" in died.why
    assert 0 < when - silent_from <= 6 * SECOND


@given(st.integers(0, 20 * SECOND))
def test_one_slow_action_is_not_taken_for_a_blackhole(asked_at: int) -> None:
    """Asterisk carries out one action at a time, and looks at no ping before that is done."""
    session = up()
    live(session, asked_at, answers_until=9999 * SECOND)
    action_id, _ = session.request(Action("Bridge"))
    when, died = asked_at, None
    while died is None and (deadline := session.deadline()) is not None and deadline <= asked_at + 7 * SECOND:
        when, died = deadline, session.tick(deadline)[1]
    assert died is None
    assert replied(session.receive(reply(action_id), when)[0]).response.success
    when, died, _ = live(session, when + 60 * SECOND, answers_until=0)
    assert died is not None, "with nothing under way it is judged as ever"


def test_an_action_that_is_never_answered_does_not_hide_a_blackhole_for_long() -> None:
    session = up()
    session.request(Action("Bridge"))
    when, died, _ = live(session, 60 * SECOND, answers_until=0)
    assert died is not None
    assert when <= 10 * SECOND


def test_a_slow_answer_is_no_death_while_events_come() -> None:
    """Pongs queue behind a burst of events; bytes that arrive prove the peer lives, for a while."""
    session = up()
    when, died, _ = live(session, 60 * SECOND, answers_until=0, chatter=True)
    assert died is not None
    assert "deaf" in died.why
    assert 9 * SECOND <= when <= 12 * SECOND


def test_an_engine_that_was_frozen_reads_before_it_judges() -> None:
    """SIGSTOP for a minute: one tick is one miss, however late it comes, and the waiting pong is read first."""
    session = up()
    raw, _ = session.tick(2 * SECOND)
    late = 62 * SECOND
    assert session.tick(late) == (b"", None)
    session.receive(pong(raw) + event("Newstate"), late)
    assert live(session, late + 60 * SECOND, answers_until=9999 * SECOND)[1] is None


def test_one_missed_ping_is_forgiven() -> None:
    session = up()
    session.tick(2 * SECOND)
    session.tick(3_500_000)
    raw, _ = session.tick(4 * SECOND)
    session.receive(pong(raw), 4 * SECOND + 1)
    session.tick(5_500_000)
    session.tick(6 * SECOND)
    assert session.tick(7_500_000)[1] is None
    assert session.phase is Phase.UP


def test_a_pong_answers_for_the_pings_before_it() -> None:
    """Single answers lost over hours do not add up to a deaf peer."""
    session = up()
    now = 0
    for turn in range(40):
        deadline = session.deadline()
        assert deadline is not None
        now = deadline
        raw, died = session.tick(now)
        assert died is None
        session.receive(event("Newstate"), now)
        if raw and turn % 4 == 0:
            session.receive(pong(raw), now)
    assert session.phase is Phase.UP


def test_periods_are_the_owners_choice() -> None:
    keepalive = Keepalive(period_us=20, patience_us=15, misses=3)
    session = Session("p", username="u", secret="s", events=False, keepalive=keepalive)
    session.start(0)
    session.receive(GREETING + WELCOME, 0)
    when, died, pings = live(session, 1000, answers_until=0)
    assert (when, pings) == (75, 3)
    assert died is not None


# All together ---------------------------------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Whatever order things come in: every action ends at most once, and nothing waits for ever."""

    @initialize()
    def begin(self) -> None:
        self.now = 0
        self.session = up()
        self.open: dict[str, bool] = {}  # id -> its list has begun
        self.ended: set[str] = set()

    def take(self, raw: bytes) -> None:
        for outcome in self.session.receive(raw, self.now):
            if isinstance(outcome, Replied):
                assert outcome.action_id in self.open
                assert outcome.action_id not in self.ended
                self.ended.add(outcome.action_id)
                del self.open[outcome.action_id]

    @precondition(lambda self: self.session.phase is Phase.UP)
    @rule()
    def ask(self) -> None:
        action_id, _ = self.session.request(action.core_status())
        self.open[action_id] = False

    @precondition(lambda self: self.open)
    @rule(data=st.data(), kind=st.sampled_from(["plain", "start", "item", "complete", "error", "forget"]))
    def answer(self, data: st.DataObject, kind: str) -> None:
        action_id = data.draw(st.sampled_from(sorted(self.open)))
        if kind == "forget":
            self.session.forget(action_id)
            del self.open[action_id]
            self.take(reply(action_id))
        elif kind == "plain":
            self.take(reply(action_id))
        elif kind == "error":
            self.take(reply(action_id, kind="Error"))
        elif kind == "start":
            self.take(reply(action_id, "EventList: start"))
            self.open[action_id] = True
        else:
            complete = ["EventList: Complete"] if kind == "complete" else []
            self.take(event("Item", f"ActionID: {action_id}", *complete))

    @rule(ahead=st.integers(0, 3 * SECOND), answered=st.booleans())
    def time(self, ahead: int, answered: bool) -> None:
        self.now += ahead
        raw, died = self.session.tick(self.now)
        if raw and answered:
            self.take(pong(raw))
        if died is not None:
            self.open.clear()

    @rule(raw=st.binary(max_size=30))
    def rubbish(self, raw: bytes) -> None:
        self.take(raw + b"\r\n\r\n")

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "session"):
            assert self.session.waiting == len(self.open)
            assert (self.session.deadline() is None) == (self.session.phase is Phase.DEAD)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40)
