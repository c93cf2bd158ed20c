"""A hall to try the floor in: a virtual clock, verbs that read like the spec, a log, and invariants after each fact.

Nothing of Asterisk is imitated here: a verb is one fact (or the few that come as one), so a test may tell them late,
twice or in the wrong order.
"""

from __future__ import annotations

from typing import Any, TypeVar

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import AnyCommand, Ask, Bridge, Publish, Release, RingAgent
from engine.domain.events import AnyEvent
from engine.domain.facts import AnyFact, SeenLeg
from engine.domain.flow import Enqueue, Flow, HangUpNode, Menu, Say
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import SECOND, AgentId, AskOutcome, InteractionId, LegId, LegMode, Prompt, QueueId, Token
from engine.floor import Floor
from engine.floor.state import Agent, Interaction, Leg
from tests.floor.ledger import Ledger, check

START = 1_700_000_000 * SECOND
NUMBER = "+4930100"
NAILED = AgentId("101")
RUNG = AgentId("102")
_C = TypeVar("_C")
_E = TypeVar("_E")


def says(text: str) -> tuple[Prompt, ...]:
    return (Prompt(text=text),)


FLOW = Flow(
    name="main",
    version="v1",
    language="en",
    start="welcome",
    nodes={
        "welcome": Say(prompts=says("Welcome."), next="choose"),
        "choose": Menu(prompts=says("Press 1 or 2."), options={"1": "sales", "2": "care"}, otherwise="bye"),
        "sales": Enqueue(queue=QueueId("sales"), on_timeout="late", on_closed="shut"),
        "care": Enqueue(queue=QueueId("care"), on_timeout="sales", on_closed="shut", after="survey"),
        "late": Say(prompts=says("Nobody is free."), next="bye"),
        "shut": Say(prompts=says("We are closed."), next="bye"),
        "survey": Menu(prompts=says("How was it?"), options={"1": "bye", "2": "sales"}, otherwise="bye", save="mark"),
        "bye": HangUpNode(prompts=says("Goodbye.")),
    },
)


def queue(name: str, **changes: Any) -> QueuePolicy:
    """A queue that asks for the skill of its own name."""
    values: dict[str, Any] = {
        "steps": (RoutingStep(needs=(SkillNeed(skill=name, level=1),)),),
        "max_wait_s": 120.0,
        "announce_every_s": 30.0,
        **changes,
    }
    return QueuePolicy(id=QueueId(name), name=name, **values)


def profile(agent_id: str, mode: LegMode = LegMode.ON_DEMAND, **skills: int) -> AgentProfile:
    return AgentProfile(
        id=AgentId(agent_id),
        name=f"Agent {agent_id}",
        endpoint=f"phone{agent_id}",
        mode=mode,
        skills=skills or {"sales": 5, "care": 5},
    )


class Hall:
    """One floor. Defined: queues sales and care (care has an `after` node), agents 101 nailed-up and 102 on demand."""

    def __init__(self) -> None:
        self.floor = Floor()
        self.now = START
        self.ledger = Ledger()
        self.told: list[tuple[AnyFact, int]] = []
        self.log: list[AnyCommand] = []
        self.events: list[AnyEvent] = []
        self.steps: list[tuple[AnyCommand, ...]] = []
        self.open_asks: dict[LegId, str] = {}
        self._count = 0
        self.tell(f.EngineStarted(version="t", epoch=1))
        self.tell(f.QueueDefined(queue=queue("sales")))
        self.tell(f.QueueDefined(queue=queue("care")))
        self.tell(f.AgentDefined(agent=profile(NAILED, LegMode.NAILED_UP)))
        self.tell(f.AgentDefined(agent=profile(RUNG)))
        self.tell(f.NumberDefined(number=NumberPolicy(e164=NUMBER, flow="main")))
        self.tell(f.FlowActivated(flow=FLOW))
        self.tell(f.AsteriskSeen(legs=()))

    # --- time and facts ----------------------------------------------------------------------------------------------

    def tell(self, fact: AnyFact) -> tuple[AnyCommand, ...]:
        """Tell one fact now; returns the commands without the published events."""
        self.told.append((fact, self.now))
        if isinstance(fact, f.Asked) and self.open_asks.get(fact.leg) == fact.ask:
            del self.open_asks[fact.leg]
        all_commands = self.floor.handle(fact, self.now)
        self.steps.append(all_commands)
        commands = []
        for command in all_commands:
            if isinstance(command, Publish):
                self.events.append(command.event)
                self.ledger.note(command.event)
            else:
                commands.append(command)
        self.log.extend(commands)
        for command in commands:
            if isinstance(command, Ask):
                self.open_asks[command.leg] = command.ask
            elif isinstance(command, Release):
                self.open_asks.pop(command.leg, None)
        check(self.floor, self.now)
        self.ledger.check(self.floor.state)
        self._check_nobody_in_silence()
        return tuple(commands)

    def _check_nobody_in_silence(self) -> None:
        """A caller in our hands is being asked something, or he would hear nothing for ever."""
        for interaction in self.floor.state.interactions.values():
            leg = self.floor.state.legs.get(interaction.leg)
            if leg is not None and leg.controlled:
                assert leg.id in self.open_asks, f"{leg.id} is in our hands and nothing is said to him"

    def wait(self, seconds: float) -> tuple[AnyCommand, ...]:
        """Let time pass, keeping every deadline on the way; returns all commands that this caused."""
        until = self.now + round(seconds * SECOND)
        commands: list[AnyCommand] = []
        while (deadline := self.floor.deadline()) is not None and deadline.at <= until:
            self.now = max(self.now, deadline.at)
            commands.extend(self.tell(f.TimePassed()))
        self.now = until
        return tuple(commands)

    # --- what was commanded and told ---------------------------------------------------------------------------------

    def commands(self, kind: type[_C]) -> list[_C]:
        return [command for command in self.log if isinstance(command, kind)]

    def last(self, kind: type[_C]) -> _C:
        return self.commands(kind)[-1]

    def heard(self, kind: type[_E]) -> list[_E]:
        """The published events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def agent(self, agent_id: str) -> Agent:
        agent = self.floor.agent(agent_id)
        assert agent is not None
        return agent

    def agent_state(self, agent_id: str) -> AgentState:
        return self.agent(agent_id).state

    def sums(self) -> dict[str, int]:
        """The non-zero figures of the ledger."""
        return {name: figure for name, figure in self.ledger.sums().items() if figure}

    # --- callers -----------------------------------------------------------------------------------------------------

    def call_in(self, number: str = NUMBER) -> Call:
        """A caller arrives and his dialplan asks for the flow."""
        call = self.arrive(number)
        call.control("flow")
        return call

    def arrive(self, number: str = NUMBER) -> Call:
        self._count += 1
        call = Call(self, InteractionId(f"ia_{self._count}"), LegId(f"c{self._count}"))
        self.tell(f.CallArrived(interaction_id=call.id, leg=call.leg, number=number, caller=Token("tok")))
        return call

    def waiting(self, key: str = "2") -> Call:
        """A caller who chose a queue (1 sales, 2 care) and is on hold."""
        call = self.call_in()
        call.played()
        call.press(key)
        call.hold()
        return call

    def talking(self, agent_id: AgentId = NAILED, key: str = "2") -> Call:
        """A caller in talk with an agent, who is signed in and made ready first if need be."""
        if self.agent_state(agent_id) is not AgentState.AVAILABLE:
            self.ready(agent_id)
        call = self.waiting(key)
        if agent_id == RUNG:
            self.pick_up()
        call.bridged()
        assert call.state() is InteractionState.TALKING
        return call

    # --- agents ------------------------------------------------------------------------------------------------------

    def ready(self, agent_id: AgentId = NAILED) -> None:
        """Sign an agent in, ready; a nailed-up one by his phone, whose leg comes to idle."""
        mode = self.agent(agent_id).profile.mode
        nailed = mode is LegMode.NAILED_UP
        leg = self.new_leg() if nailed else None
        self.tell(f.AgentSignedIn(agent_id=agent_id, mode=mode, leg=leg))
        if leg is not None:
            self.tell(f.AgentLegIdled(leg=leg))
        assert self.agent_state(agent_id) is not AgentState.OFFLINE

    def new_leg(self) -> LegId:
        self._count += 1
        return LegId(f"a{self._count}")

    def pick_up(self) -> LegId:
        """The phone that was rung last is picked up."""
        leg = self.last(RingAgent).leg
        self.tell(f.LegAnswered(leg=leg))
        return leg

    def idle(self, agent_id: AgentId = NAILED) -> None:
        """A nailed-up leg is back in its loop."""
        leg = self.agent(agent_id).leg
        assert leg is not None
        self.tell(f.AgentLegIdled(leg=leg))

    # --- Asterisk and the engine -------------------------------------------------------------------------------------

    def restart(self, epoch: int = 2) -> None:
        """The engine is killed and comes back with its snapshot; Asterisk is yet to be seen."""
        self.floor = Floor.restore(self.floor.snapshot())
        self.tell(f.EngineStarted(version="t", epoch=epoch))

    def picture(self) -> dict[LegId, SeenLeg]:
        """What Asterisk shows when it holds exactly what the floor believes."""
        return {leg: SeenLeg(leg=leg, place=self._place(leg), bridge=known.bridge) for leg, known in self._legs()}

    def _legs(self) -> list[tuple[LegId, Leg]]:
        return sorted(self.floor.state.legs.items())

    def _place(self, leg: LegId) -> str:
        known = self.floor.state.legs[leg]
        if known.agent_id is not None:
            nailed = self.agent(known.agent_id).leg == leg
            return "ringing" if known.ringing else "idle" if nailed else "ringed"
        state = self.floor.state.interactions[known.interaction_id or InteractionId("")]
        return "hold" if state.held or known.bridge else "flow"

    def see(self, *legs: SeenLeg, rebooted: bool = False, boot: str = "") -> tuple[AnyCommand, ...]:
        return self.tell(f.AsteriskSeen(legs=legs, rebooted=rebooted, boot=boot))


class Call:
    """One caller in the hall."""

    def __init__(self, hall: Hall, interaction_id: InteractionId, leg: LegId) -> None:
        self.hall = hall
        self.id = interaction_id
        self.leg = leg

    @property
    def live(self) -> Interaction:
        live = self.hall.floor.interaction(self.id)
        assert live is not None, f"{self.id} has ended"
        return live

    def state(self) -> InteractionState:
        live = self.hall.floor.interaction(self.id)
        return InteractionState.ENDED if live is None else live.state

    @property
    def agent_leg(self) -> LegId:
        leg = self.live.agent_leg
        assert leg is not None
        return leg

    def control(self, script: str) -> tuple[AnyCommand, ...]:
        return self.hall.tell(f.ControlGained(leg=self.leg, script=script))

    def asked(self, outcome: AskOutcome, choice: str = "") -> tuple[AnyCommand, ...]:
        """What came of the newest question to this caller."""
        ask = [ask for ask in self.hall.commands(Ask) if ask.leg == self.leg][-1]
        return self.hall.tell(f.Asked(leg=self.leg, ask=ask.ask, outcome=outcome, choice=choice))

    def played(self) -> tuple[AnyCommand, ...]:
        return self.asked(AskOutcome.PLAYED)

    def press(self, key: str) -> tuple[AnyCommand, ...]:
        return self.asked(AskOutcome.ANSWERED, key)

    def hold(self) -> tuple[AnyCommand, ...]:
        return self.hall.tell(f.LegHeld(leg=self.leg, at=self.hall.now))

    def bridged(self, bridge: str = "") -> None:
        """Both legs of the last Bridge command for this caller are in one bridge."""
        command = [command for command in self.hall.commands(Bridge) if command.leg == self.leg][-1]
        bridge = bridge or f"b{len(self.hall.told)}"
        self.hall.tell(f.LegJoined(leg=self.leg, bridge=bridge, at=self.hall.now))
        self.hall.tell(f.LegJoined(leg=command.other, bridge=bridge, at=self.hall.now))

    def hang_up(self, cause: int = 16) -> tuple[AnyCommand, ...]:
        """The caller is gone: out of his bridge, if he is in one, the agent's leg after him, and his channel ends."""
        hall, leg = self.hall, self.hall.floor.state.legs.get(self.leg)
        before = len(hall.log)
        if leg is not None and leg.bridge:
            other = self.live.agent_leg
            hall.tell(f.LegLeft(leg=self.leg, bridge=leg.bridge))
            if other is not None:
                hall.tell(f.LegLeft(leg=other, bridge=leg.bridge))
        hall.tell(f.LegEnded(leg=self.leg, cause=cause))
        return tuple(hall.log[before:])
