"""The whole floor under facts in any order: likely ones, unlikely ones, late ones, doubled ones.

After each fact `tests.floor.ledger.check` looks at the invariants. At the end everything is replayed from nothing: the
same facts give the same commands and the same state, byte for byte, wherever a snapshot was taken on the way.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.domain import facts as f
from engine.domain.commands import AnyCommand, Ask, Bridge, HangUp, Redirect, Release, Resync, RingAgent
from engine.domain.facts import AnyFact, SeenLeg
from engine.domain.flow import Flow
from engine.domain.interaction import InteractionState
from engine.domain.policy import NumberPolicy, RoutingStep, SkillNeed
from engine.domain.values import AgentId, AskOutcome, InteractionId, LegId, LegMode, QueueId, Token
from engine.floor import Floor
from tests.floor.hall import FLOW, NAILED, NUMBER, Hall, profile, queue

AGENTS = [AgentId(a) for a in ("101", "102", "103")]
BRIDGES = ["b1", "b2", "b3"]
PLACES = ["hold", "flow", "after", "idle", "ringed", "ringing", ""]
REMEMBERED = 8


@st.composite
def queue_changes(draw: st.DrawFn) -> AnyFact:
    """A queue as it may be redefined while callers are in it."""
    name = draw(st.sampled_from(["sales", "care"]))
    steps = [RoutingStep(needs=(SkillNeed(skill=name, level=draw(st.sampled_from([1, 3, 9]))),))]
    if draw(st.booleans()):
        steps.append(RoutingStep(after_s=15.0))
    return f.QueueDefined(
        queue=queue(
            name,
            open=draw(st.sampled_from([True, True, False])),
            max_wait_s=draw(st.sampled_from([0.0, 20.0, 120.0])),
            steps=tuple(steps),
            wrap_up_s=draw(st.sampled_from([0.0, 10.0])),
        )
    )


changes: st.SearchStrategy[AnyFact] = st.one_of(
    queue_changes(),
    st.sampled_from([f.QueueRemoved(queue_id=QueueId(name)) for name in ("sales", "care")]),
    st.sampled_from([f.AgentRemoved(agent_id=agent) for agent in AGENTS]),
    st.sampled_from(
        [
            f.FlowActivated(flow=Flow(name="main", version=v, language="en", start="welcome", nodes=FLOW.nodes))
            for v in "123"
        ]
    ),
    st.just(f.NumberRemoved(e164=NUMBER)),
)


def replay(told: list[tuple[AnyFact, int]]) -> tuple[list[Any], bytes]:
    """A new floor's commands and last state for the same facts."""
    floor = Floor()
    return [floor.handle(fact, now) for fact, now in told], floor.snapshot()


class FloorMachine(RuleBasedStateMachine):
    """Agents, callers, Asterisk and the operator, none of them in step with the others."""

    def __init__(self) -> None:
        super().__init__()
        self.hall = Hall()
        self.hall.tell(f.AgentDefined(agent=profile("103", LegMode.NAILED_UP, sales=2, care=1)))
        self.callers = 0
        self.epoch = 1
        self.done = 0
        self.key = "1"

    @initialize(staffed=st.sampled_from([0, 1, 3]))
    def opens(self, staffed: int) -> None:
        for agent in AGENTS[:staffed]:
            self.comes_to_work(agent)

    # --- what may be drawn -------------------------------------------------------------------------------------------

    def _live(self) -> list[InteractionId]:
        return sorted(self.hall.floor.state.interactions)

    def _leg(self, data: st.DataObject) -> LegId:
        known = sorted(self.hall.floor.state.legs)
        return data.draw(st.sampled_from([*known, LegId("c1"), LegId("stranger")]), label="leg")

    def _caller(self, data: st.DataObject) -> LegId:
        live = self._live()
        chosen = data.draw(st.sampled_from(live), label="caller")
        return self.hall.floor.state.interactions[chosen].leg

    def _has_callers(self) -> bool:
        return bool(self.hall.floor.state.interactions)

    # --- what goes right: without it few would ever reach an agent --------------------------------------------------

    @rule(number=st.sampled_from([NUMBER, NUMBER, NUMBER, "+49999"]), control=st.booleans())
    def arrive(self, number: str, control: bool) -> None:
        self.callers += 1
        leg = LegId(f"c{self.callers}")
        interaction_id = InteractionId(f"ia_{self.callers}")
        self.hall.tell(f.CallArrived(interaction_id=interaction_id, leg=leg, number=number))
        if control:
            self.hall.tell(f.ControlGained(leg=leg, script="flow"))

    @rule(key=st.sampled_from(["1", "2"]), then=st.integers(3, 8))
    def calls_and_chooses(self, key: str, then: int) -> None:
        self.key = key
        self.arrive(NUMBER, control=True)
        self.asterisk_acts(then)

    @rule(count=st.integers(1, 8))
    def asterisk_acts(self, count: int) -> None:
        """Asterisk carries out the next commands, and tells what came of them."""
        for _ in range(count):
            if self.done == len(self.hall.log):
                return
            command = self.hall.log[self.done]
            self.done += 1
            for fact in self._answers(command):
                self.hall.tell(fact)

    def _answers(self, command: AnyCommand) -> list[AnyFact]:
        match command:
            case Ask(collect=None):
                return [f.Asked(leg=command.leg, ask=command.ask, outcome=AskOutcome.PLAYED)]
            case Ask():
                return [f.Asked(leg=command.leg, ask=command.ask, outcome=AskOutcome.ANSWERED, choice=self.key)]
            case Release(next="hold"):
                return [f.LegHeld(leg=command.leg)]
            case Release(next="flow") | Redirect():
                return [f.ControlGained(leg=command.leg, script="flow")]
            case Release(next="idle"):
                return [f.AgentLegIdled(leg=command.leg)]
            case HangUp() | Release(next="hangup"):
                return [f.LegEnded(leg=command.leg)]
            case RingAgent():
                return [f.AgentLegIdled(leg=command.leg) if command.nailed_up else f.LegAnswered(leg=command.leg)]
            case Bridge():
                bridge = f"b{len(self.hall.told)}"
                return [f.LegJoined(leg=leg, bridge=bridge) for leg in (command.leg, command.other)]
            case Resync():
                self.seen_as_believed()
        return []

    @rule(agent=st.sampled_from(AGENTS))
    def comes_to_work(self, agent: AgentId) -> None:
        known = self.hall.floor.agent(agent)
        if known is None or known.interaction_id is not None:
            return
        mode = known.profile.mode
        leg = self.hall.new_leg() if mode is LegMode.NAILED_UP else None
        self.hall.tell(f.AgentSignedOut(agent_id=agent))
        self.hall.tell(f.AgentPhoneChanged(agent_id=agent, reachable=True))
        self.hall.tell(f.AgentSignedIn(agent_id=agent, mode=mode, leg=leg))
        if leg is not None:
            self.hall.tell(f.AgentLegIdled(leg=leg))

    @rule(agent_first=st.booleans(), hangs_up=st.booleans())
    def talk_ends(self, agent_first: bool, hangs_up: bool) -> None:
        """The longest talk ends as talks do."""
        state = self.hall.floor.state
        for live in state.interactions.values():
            if live.state is not InteractionState.TALKING or live.agent_leg is None:
                continue
            bridge = state.legs[live.leg].bridge
            legs = [live.leg, live.agent_leg]
            for leg in reversed(legs) if agent_first else legs:
                self.hall.tell(f.LegLeft(leg=leg, bridge=bridge))
            if hangs_up or not agent_first:
                self.hall.tell(f.LegEnded(leg=legs[agent_first]))
            if agent_first:
                self.hall.tell(f.ControlGained(leg=live.leg, script="after"))
            return

    # --- callers -----------------------------------------------------------------------------------------------------

    @precondition(_has_callers)
    @rule(data=st.data(), script=st.sampled_from(["flow", "poll", "after"]))
    def control(self, data: st.DataObject, script: str) -> None:
        self.hall.tell(f.ControlGained(leg=self._caller(data), script=script))

    @precondition(_has_callers)
    @rule(data=st.data(), outcome=st.sampled_from(AskOutcome), key=st.sampled_from(["1", "2", ""]))
    def asked(self, data: st.DataObject, outcome: AskOutcome, key: str) -> None:
        leg = self._caller(data)
        asks = [ask for ask in self.hall.commands(Ask) if ask.leg == leg]
        if asks:
            self.hall.tell(f.Asked(leg=leg, ask=asks[-1].ask, outcome=outcome, choice=key))

    @precondition(_has_callers)
    @rule(data=st.data())
    def held(self, data: st.DataObject) -> None:
        self.hall.tell(f.LegHeld(leg=self._caller(data)))

    @rule(data=st.data())
    def control_lost(self, data: st.DataObject) -> None:
        self.hall.tell(f.ControlLost(leg=self._leg(data)))

    @precondition(_has_callers)
    @rule(data=st.data())
    def hang_up_requested(self, data: st.DataObject) -> None:
        self.hall.tell(f.HangUpRequested(by="boss", interaction_id=data.draw(st.sampled_from(self._live()))))

    @precondition(_has_callers)
    @rule(data=st.data())
    def callback(self, data: st.DataObject) -> None:
        self.hall.tell(f.CallbackTaken(leg=self._leg(data), number=Token("t"), spool_id="s"))

    # --- legs and bridges --------------------------------------------------------------------------------------------

    @rule(data=st.data(), cause=st.sampled_from([16, 17, 19]))
    def leg_ended(self, data: st.DataObject, cause: int) -> None:
        self.hall.tell(f.LegEnded(leg=self._leg(data), cause=cause))

    @rule(swapped=st.booleans(), bridge=st.sampled_from(BRIDGES))
    def bridge_done(self, swapped: bool, bridge: str) -> None:
        for command in self.hall.commands(Bridge)[-1:]:
            legs = [command.leg, command.other]
            for leg in reversed(legs) if swapped else legs:
                self.hall.tell(f.LegJoined(leg=leg, bridge=bridge))

    @rule()
    def bridge_refused(self) -> None:
        for command in self.hall.commands(Bridge)[-1:]:
            self.hall.tell(f.BridgeFailed(leg=command.leg, other=command.other, reason="no"))

    @rule(data=st.data(), bridge=st.sampled_from(BRIDGES))
    def joined(self, data: st.DataObject, bridge: str) -> None:
        self.hall.tell(f.LegJoined(leg=self._leg(data), bridge=bridge))

    @rule(data=st.data())
    def left(self, data: st.DataObject) -> None:
        leg_id = self._leg(data)
        leg = self.hall.floor.state.legs.get(leg_id)
        self.hall.tell(f.LegLeft(leg=leg_id, bridge=leg.bridge if leg is not None and leg.bridge else "b1"))

    @rule()
    def picked_up(self) -> None:
        for command in self.hall.commands(RingAgent)[-1:]:
            fact = f.AgentLegIdled(leg=command.leg) if command.nailed_up else f.LegAnswered(leg=command.leg)
            self.hall.tell(fact)

    @rule(cause=st.sampled_from([0, 19]))
    def ring_failed(self, cause: int) -> None:
        for command in self.hall.commands(RingAgent)[-1:]:
            self.hall.tell(f.RingFailed(agent_id=command.agent_id, leg=command.leg, cause=cause))

    # --- agents ------------------------------------------------------------------------------------------------------

    @rule(agent=st.sampled_from(AGENTS), by_phone=st.booleans(), mode=st.sampled_from(LegMode), ready=st.booleans())
    def sign_in(self, agent: AgentId, by_phone: bool, mode: LegMode, ready: bool) -> None:
        leg = self.hall.new_leg() if by_phone else None
        self.hall.tell(f.AgentSignedIn(agent_id=agent, mode=mode, leg=leg, ready=ready))

    @rule(agent=st.sampled_from(AGENTS), what=st.sampled_from(["out", "ready", "pause", "wrapped", "gone", "back"]))
    def agent_says(self, agent: AgentId, what: str) -> None:
        said: dict[str, AnyFact] = {
            "out": f.AgentSignedOut(agent_id=agent),
            "ready": f.AgentReadied(agent_id=agent),
            "pause": f.AgentPaused(agent_id=agent, reason="lunch"),
            "wrapped": f.WrapUpFinished(agent_id=agent),
            "gone": f.AgentPhoneChanged(agent_id=agent, reachable=False),
            "back": f.AgentPhoneChanged(agent_id=agent, reachable=True),
        }
        self.hall.tell(said[what])

    @rule(agent=st.sampled_from(AGENTS))
    def leg_idled(self, agent: AgentId) -> None:
        known = self.hall.floor.agent(agent)
        if known is not None and known.leg is not None:
            self.hall.tell(f.AgentLegIdled(leg=known.leg))

    # --- the engine, Asterisk, the operator --------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.0, 3.0, 10.0, 17.0, 40.0, 130.0]))
    def wait(self, seconds: float) -> None:
        self.hall.wait(seconds)

    @rule()
    def restored_silently(self) -> None:
        self.hall.floor = Floor.restore(self.hall.floor.snapshot())

    @rule(drained=st.booleans(), and_seen=st.sampled_from([True, True, False]))
    def restarted(self, drained: bool, and_seen: bool) -> None:
        if drained:
            self.hall.tell(f.DrainStarted())
            self.asterisk_acts(3)
        self.epoch += 1
        self.hall.restart(self.epoch)
        if and_seen:
            self.seen_as_believed()

    @rule(missed=st.integers(0, 4))
    def asterisk_lost_and_found(self, missed: int) -> None:
        self.hall.tell(f.AsteriskLost())
        self.asterisk_acts(missed)
        self.seen_as_believed()

    @rule(rarely=st.integers(0, 9))
    def drained(self, rarely: int) -> None:
        if rarely == 0:
            self.hall.tell(f.DrainStarted())

    @rule(data=st.data(), rebooted=st.sampled_from([False, False, False, True]))
    def seen(self, data: st.DataObject, rebooted: bool) -> None:
        """A picture that agrees with what we believe as little as it likes."""
        legs = []
        state = self.hall.floor.state
        for leg_id in [*sorted(state.legs), LegId("ia_1.7"), LegId("stranger")]:
            known = state.legs.get(leg_id)
            fate = data.draw(st.sampled_from(["as-believed", "as-believed", "missing", "any"]), label=leg_id)
            if fate == "any":
                place = data.draw(st.sampled_from(PLACES), label="place")
                legs.append(SeenLeg(leg=leg_id, place=place, bridge=data.draw(st.sampled_from(["", *BRIDGES]))))
            elif fate == "as-believed" and known is not None:
                place = "hold" if known.agent_id is None else "idle"
                legs.append(SeenLeg(leg=leg_id, place=place, bridge=known.bridge))
        self.hall.see(*legs, rebooted=rebooted)

    @rule()
    def seen_as_believed(self) -> None:
        """Asterisk agrees with everything; without this most of a run would be spent blind."""
        state = self.hall.floor.state
        places = {leg: "hold" if known.agent_id is None else "idle" for leg, known in state.legs.items()}
        self.hall.see(*(SeenLeg(leg=leg, place=places[leg], bridge=state.legs[leg].bridge) for leg in sorted(places)))

    @rule(change=changes)
    def operator_changes(self, change: AnyFact) -> None:
        """Queues, agents, flows and numbers come, change and go, in use or not."""
        self.hall.tell(change)

    @rule()
    def all_is_defined_again(self) -> None:
        for name in ("sales", "care"):
            self.hall.tell(f.QueueDefined(queue=queue(name)))
        for agent in AGENTS:
            mode = LegMode.ON_DEMAND if agent == "102" else LegMode.NAILED_UP
            self.hall.tell(f.AgentDefined(agent=profile(agent, mode)))
        self.hall.tell(f.NumberDefined(number=NumberPolicy(e164=NUMBER, flow="main")))

    @rule(data=st.data())
    def told_again(self, data: st.DataObject) -> None:
        """A fact that was told before comes again, now or late."""
        recent = [
            fact
            for fact, _ in self.hall.told[-REMEMBERED:]
            # ids of new interactions are minted by the edge, which remembers its dead: it never tells one twice
            if not isinstance(fact, f.CallArrived) or fact.interaction_id in self.hall.floor.state.interactions
        ]
        if recent:
            self.hall.tell(data.draw(st.sampled_from(recent), label="again"))

    # --- the end -----------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """The same facts again, and in the end everybody hangs up: nothing may be left over."""
        hall = self.hall
        commands, snapshot = replay(hall.told)
        assert commands == hall.steps
        assert snapshot == hall.floor.snapshot()
        for interaction_id in self._live():
            live = hall.floor.interaction(interaction_id)
            if live is not None:
                hall.tell(f.LegEnded(leg=live.leg))
        hall.see(*(SeenLeg(leg=leg, place="") for leg in sorted(hall.floor.state.legs)))
        hall.wait(60)
        assert not hall.floor.state.interactions
        assert all(leg.agent_id is not None for leg in hall.floor.state.legs.values())


FloorMachine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestFloor = FloorMachine.TestCase


def test_the_machine_can_reach_every_state() -> None:
    """A machine that never got anybody to an agent would prove nothing: its well-behaved rules alone reach a talk."""
    machine = FloorMachine()
    machine.comes_to_work(NAILED)
    machine.calls_and_chooses("1", then=8)
    (live,) = machine.hall.floor.state.interactions.values()
    assert live.state is InteractionState.TALKING
    machine.teardown()
