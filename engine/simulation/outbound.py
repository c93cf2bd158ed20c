"""The called side of the trunk: what rings, who picks up, and what the dialplan does with it.

Carried out as on the real Asterisk: the leg has the attempt's id; an answer is told at once; a timer of the dialplan
begins the identifying message when nobody was joined in time, and from then on the person is abandoned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.domain import facts as f
from engine.domain.campaign import AttemptId, CampaignId
from engine.domain.commands import Dial, Trace
from engine.domain.values import LegId
from engine.simulation.desks import Party
from engine.simulation.fates import SECOND, People, Picks
from engine.simulation.scenario import Campaign, Scenario

if TYPE_CHECKING:
    from engine.simulation.world import World

MESSAGE_US = 6 * SECOND
"""How long the identifying message plays before the person or the dialplan hangs up."""
AGENT_NOTICES_US = 10 * SECOND
"""After so long an agent hangs up on a machine that the detection took for a person."""
LONGEST_WAIT_US = 1_800_000
MARGIN_US = 200_000
"""The message begins so long before the legal limit, but at the latest after `LONGEST_WAIT_US`."""
MINUTE = 60 * SECOND

RINGING, WAITING, TALKING, MESSAGE, GONE = range(5)

MakePeople = Callable[[Campaign, int], People]
"""The people of a campaign on a day (from 0)."""


class Call(Party):
    """One attempt on the line."""

    __slots__ = (
        "_side",
        "answered_at",
        "cause",
        "ended_at",
        "fates",
        "joined_at",
        "message_at",
        "number",
        "picks",
        "state",
    )

    def __init__(self, side: Outbound, leg: LegId, fates: People, number: int, picks: Picks, cause: int) -> None:
        super().__init__(leg)
        self._side = side
        self.fates = fates
        self.number = number
        self.picks = picks
        self.cause = cause
        self.state = RINGING
        self.answered_at = self.joined_at = self.message_at = self.ended_at = 0

    def can_be_joined(self) -> bool:
        """See `Party`."""
        return self.state == WAITING

    def joined(self) -> bool:
        """See `Party`."""
        self._side.joined(self)
        return self.picks is Picks.PERSON

    def wrap_us(self) -> int:
        """See `Party`."""
        return self.fates.wrap_us(self.number)

    def hung_up(self, cause: int) -> None:
        """See `Party`."""
        self._side.ended(self, cause)


class Outbound:
    """All calls of all campaigns of one day."""

    def __init__(self, world: World, scenario: Scenario, people: MakePeople) -> None:
        self._world = world
        self._scenario = scenario
        self._people = people
        self._fates: dict[CampaignId, People] = {}
        self._dialled: dict[CampaignId, int] = {}
        self._stalls: tuple[tuple[int, int], ...] = ()
        self._begin = 0
        self._wait_us = min(LONGEST_WAIT_US, round(scenario.limits.connect_deadline_s * SECOND) - MARGIN_US)
        self._keeps = scenario.carrier.event_loss > 0
        self._past: dict[AttemptId, Call] = {}
        """What CEL would know; kept only where events may be lost."""

    def begin_day(self, day: int, begin: int) -> None:
        """Other people than yesterday."""
        self._begin = begin
        self._past.clear()
        for campaign in self._scenario.campaigns:
            campaign_id = CampaignId(campaign.name)
            self._fates[campaign_id] = self._people(campaign, day)
            self._dialled[campaign_id] = 0
        stalls = self._scenario.carrier.stalls
        self._stalls = tuple(
            (begin + round(minute * MINUTE), begin + round(minute * MINUTE + seconds * SECOND))
            for minute, seconds in stalls
        )

    # --- dialling ----------------------------------------------------------------------------------------------------

    def dial(self, command: Dial) -> None:
        """The next attempt of a campaign."""
        world, campaign_id = self._world, command.campaign_id
        now = world.now
        fates, number = self._fates[campaign_id], self._dialled[campaign_id]
        self._dialled[campaign_id] = number + 1
        world.tally.attempts += 1
        picks, after, cause = fates.dialled(number, now - self._begin)
        leg = LegId(command.attempt_id)
        call = Call(self, leg, fates, number, picks, cause)
        world.parties[leg] = call
        at = now + after
        if picks is Picks.NOBODY:
            world.agenda.plan(at, self._unanswered, call)
        else:
            for begin, end in self._stalls:
                if begin <= at < end:
                    at = end
            world.agenda.plan(at, self._answered, call)

    def _unanswered(self, call: Call) -> None:
        if call.state == RINGING:
            self.ended(call, call.cause)

    def _answered(self, call: Call) -> None:
        if call.state != RINGING:
            return
        world, fates = self._world, call.fates
        now = call.answered_at = world.now
        call.state = WAITING
        if fates.called_machine(call.number, call.picks):
            after = fates.verdict_us(call.number)
            if after == 0:
                self._taken_for_machine(call)
                return
            world.agenda.plan(now + after, self._taken_for_machine, call)
        patience = fates.patience_us(call.number)
        if patience is not None:
            world.agenda.plan(now + patience, self._lost_patience, call)
        world.agenda.plan(now + self._wait_us, self._nobody_came, call)
        world.report(f.AttemptAnswered(attempt_id=AttemptId(call.leg), at=now))

    def _taken_for_machine(self, call: Call) -> None:
        """The detection's verdict, right or wrong; the floor hangs up, or lets the agent go on."""
        if call.state in (WAITING, TALKING, MESSAGE):
            self._world.tell(f.MachineDetected(attempt_id=AttemptId(call.leg)))

    def _lost_patience(self, call: Call) -> None:
        """A person hangs up before anybody spoke to him or the message did: a live answer, not an abandoned one."""
        if call.state == WAITING:
            self._world.tally.live += 1
            call.state = MESSAGE  # heard nothing of it, but is counted already
            self.ended(call, 16)

    def _nobody_came(self, call: Call) -> None:
        """The dialplan's own timer: the identifying message begins."""
        if call.state != WAITING:
            return
        world = self._world
        call.state = MESSAGE
        call.message_at = world.now
        if call.picks is Picks.PERSON:
            world.tally.live += 1
            world.tally.abandoned += 1
        world.report(f.MessageStarted(attempt_id=AttemptId(call.leg), at=world.now))
        world.agenda.plan(world.now + MESSAGE_US, self._message_over, call)

    def _message_over(self, call: Call) -> None:
        if call.state == MESSAGE:
            self.ended(call, 16)

    # --- talking -----------------------------------------------------------------------------------------------------

    def joined(self, call: Call) -> None:
        """An agent is there in time."""
        world = self._world
        now = call.joined_at = world.now
        call.state = TALKING
        if call.picks is Picks.PERSON:
            tally = world.tally
            tally.live += 1
            tally.delays.append(now - call.answered_at)
            tally.joined(now)
            world.agenda.plan(now + call.fates.talk_us(call.number), self._talked_out, call)
        else:
            world.agenda.plan(now + AGENT_NOTICES_US, self._agent_noticed, call)

    def _talked_out(self, call: Call) -> None:
        if call.state == TALKING:
            self.ended(call, 16)

    def _agent_noticed(self, call: Call) -> None:
        """An agent hears that he talks to a machine, says so and is let go."""
        if call.state == TALKING:
            self._world.tell(f.MachineDetected(attempt_id=AttemptId(call.leg), by="agent"))

    # --- the end -----------------------------------------------------------------------------------------------------

    def ended(self, call: Call, cause: int) -> None:
        """The leg is gone: in its own time, or because the floor hung it up."""
        world, state = self._world, call.state
        if state == GONE:
            return
        call.state = GONE
        del world.parties[call.leg]
        if self._keeps:
            call.cause, call.ended_at = cause, world.now
            self._past[AttemptId(call.leg)] = call
        if call.picks is Picks.MACHINE and state != RINGING:
            world.tally.machines += 1
        elif call.picks is Picks.PERSON:
            self._dropped(call, state)
        if call.desk is not None:
            world.desks.part(call, cause)
        else:
            world.report(f.LegEnded(leg=call.leg, cause=cause))

    def _dropped(self, call: Call, state: int) -> None:
        """Abandoned too: whom the floor let go before an agent came, or whose talk it broke off as a machine's."""
        tally, now = self._world.tally, self._world.now
        if state == WAITING:
            tally.live += 1
            tally.abandoned += 1
        elif state == TALKING and now < call.joined_at + call.fates.talk_us(call.number):
            tally.abandoned += 1

    def end_day(self) -> None:
        """What still rings or talks is cut off and counts no more."""
        for party in [each for each in self._world.parties.values() if isinstance(each, Call)]:
            party.state = GONE
            del self._world.parties[party.leg]
            self._world.tell(f.LegEnded(leg=party.leg))

    def trace(self, command: Trace) -> None:
        """CEL tells what became of an attempt; of one that is still up it tells nothing yet."""
        call = self._past.get(command.attempt_id)
        if call is None:
            return
        told = f.AttemptTraced(
            attempt_id=command.attempt_id,
            dialled=True,
            answered_at=call.answered_at,
            joined_at=call.joined_at,
            message_at=call.message_at,
            ended_at=call.ended_at,
            cause=call.cause,
        )
        self._world.tell(told)
