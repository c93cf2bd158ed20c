"""Campaigns: started, paused and stopped, paced, and what is heard of the calls they placed.

The pacing proposes, the governor disposes, and only lines and leads come after it. All facts of one instant are taken
in before it is decided, once: whatever may change the pace only makes it due (`Campaign.pace_at`), and the floor
decides when it is told that time passed.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.dialer import governor, trunks
from engine.dialer.governor import Grant
from engine.dialer.pacing import DECIDE_EVERY_US, Sight
from engine.dialer.trunks import TrunkState
from engine.domain import facts
from engine.domain.agent import AgentState
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import CampaignPolicy, CampaignState, ClaimedLead, Mode, TrunkId
from engine.domain.commands import ClaimLeads, Dial, HangUp, ReadBook, Resync, ReturnLeads, Trace
from engine.domain.events import CampaignMoved, CampaignPaced, InteractionArrived, PersonOptedOut
from engine.domain.facts import SeenLeg
from engine.domain.interaction import Ending, InteractionState
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND, InteractionId, LegId
from engine.floor import attempts, endings, offers, visits
from engine.floor.crews import Crew
from engine.floor.state import Attempt, Campaign, FloorState, Interaction, Leg
from engine.floor.step import Step

BOOK_EVERY = 2 * SECOND
CLAIM_PAUSE = 5 * SECOND
"""Before a list that had nothing to give is asked again."""
TRACE_LIMIT = 60 * SECOND
"""Nobody knows what became of an attempt: after this it is quarantined."""
TELL_EVERY = 5 * SECOND
USUAL_RING_S = 11.0
"""From dialling to an answer, where nothing better is known."""
JUST_DIALLED = 10 * SECOND
OVERDUE = 3 * SECOND
"""After the legal limit an answered call has either an agent or its message. Else an event was lost: compare."""

# --- definitions and wishes ------------------------------------------------------------------------------------------


def defined(step: Step, fact: facts.CampaignDefined) -> None:
    """A campaign, new or changed."""
    known = step.state.campaigns.get(fact.campaign.id)
    if known is None:
        step.state.campaigns[fact.campaign.id] = Campaign(policy=fact.campaign, learnt=step.crews.fresh(fact.campaign))
    else:
        if known.policy.mode is not fact.campaign.mode:
            known.learnt = step.crews.fresh(fact.campaign)
        known.policy = fact.campaign
        known.pace_at = min(known.pace_at, step.now)
    step.crews.forget()


def removed(step: Step, fact: facts.CampaignRemoved) -> None:
    """Gone from the company; one that runs is stopped first, and while calls are up it is kept."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is None:
        return
    _move(step, campaign, CampaignState.STOPPED, "", "removed")
    if not campaign.up:
        step.state.campaigns.pop(fact.campaign_id)
        step.crews.forget()


def started(step: Step, fact: facts.CampaignStarted) -> None:
    """Dial from now on."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None:
        campaign.pace_at = step.now
        campaign.claim_at = 0
        _move(step, campaign, CampaignState.RUNNING, fact.by)


def paused(step: Step, fact: facts.CampaignPaused) -> None:
    """Dial no more for now; what rings goes on."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None and campaign.state is CampaignState.RUNNING:
        _move(step, campaign, CampaignState.PAUSED, fact.by)


def stopped(step: Step, fact: facts.CampaignStopped) -> None:
    """Dial no more; leads go back."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None:
        _move(step, campaign, CampaignState.STOPPED, fact.by)


def _move(step: Step, campaign: Campaign, new: CampaignState, by: str, reason: str = "") -> None:
    old, campaign.state = campaign.state, new
    if new is not CampaignState.RUNNING:
        _give_back(step, campaign, campaign.stock)
        campaign.stock = []
        campaign.reason = campaign.rule = ""
    if old is not new:
        step.publish(CampaignMoved(at=step.now, campaign_id=campaign.policy.id, old=old, new=new, by=by, reason=reason))


def trunk_defined(step: Step, fact: facts.TrunkDefined) -> None:
    """A trunk, new or changed."""
    trunk_id = TrunkId(fact.trunk.id)
    step.state.trunks[trunk_id] = fact.trunk
    step.state.trunk_states.setdefault(trunk_id, TrunkState())


def trunk_removed(step: Step, fact: facts.TrunkRemoved) -> None:
    """A trunk that carries nothing new."""
    step.state.trunks.pop(fact.trunk_id, None)
    step.state.trunk_states.pop(fact.trunk_id, None)


def leads_claimed(step: Step, fact: facts.LeadsClaimed) -> None:
    """Leads for the next seconds."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is None or campaign.state is not CampaignState.RUNNING:
        step.do(ReturnLeads(campaign_id=fact.campaign_id, attempts=tuple(lead.attempt_id for lead in fact.leads)))
        return
    if len(fact.leads) < campaign.claiming:
        campaign.claim_at = max(step.now + CLAIM_PAUSE, min(fact.next_at, step.now + 60 * SECOND))
    campaign.claiming = 0
    campaign.stock.extend(fact.leads)
    campaign.pace_at = min(campaign.pace_at, step.now)


def book_read(step: Step, fact: facts.BookRead) -> None:
    """The ledger's sums, as of now."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None:
        campaign.book.read(fact.tallies, step.now)
        campaign.pace_at = min(campaign.pace_at, step.now)


def engine_started(step: Step) -> None:
    """What was claimed before may have been dialled unseen: it goes back, and the ledger knows which."""
    for campaign in step.state.campaigns.values():
        _give_back(step, campaign, campaign.stock)
        campaign.stock, campaign.claiming, campaign.claim_at = [], 0, 0
        campaign.book_asked_at = 0
        campaign.book.read_at = 0


def drain(step: Step) -> None:
    """The engine stops: nothing is dialled any more, and what was claimed goes back."""
    for campaign in step.state.campaigns.values():
        _give_back(step, campaign, campaign.stock)
        campaign.stock = []


def _give_back(step: Step, campaign: Campaign, leads: list[ClaimedLead]) -> None:
    if leads:
        step.do(ReturnLeads(campaign_id=campaign.policy.id, attempts=tuple(lead.attempt_id for lead in leads)))


# --- the pace --------------------------------------------------------------------------------------------------------


def next_pace(state: FloorState) -> Campaign | None:
    """The running campaign that wants to be paced first; None while nothing is begun."""
    if not state.campaigns or state.draining:
        return None
    running = [each for each in state.campaigns.values() if each.state is CampaignState.RUNNING]
    return min(running, key=lambda each: each.pace_at, default=None)


def pace_all(step: Step) -> None:
    """Decide for each running campaign whose time has come."""
    if step.state.blind or step.state.draining:
        return
    for campaign in step.state.campaigns.values():
        if campaign.state is CampaignState.RUNNING and campaign.pace_at <= step.now:
            campaign.pace_at = step.now + DECIDE_EVERY_US
            _pace(step, campaign)


def _pace(step: Step, campaign: Campaign) -> None:
    crew = step.crews.of(campaign.policy.id)
    _ask_for_book(step, campaign)
    sight = look(step, campaign, crew)
    if not sight.staffed and campaign.policy.mode is not Mode.AGENTLESS:
        _tell(step, campaign, "no-agents", "", {})
        return
    _ask_for_leads(step, campaign, sight)
    proposal = crew.pacing.decide(sight)
    if proposal.dials <= 0:
        _tell(step, campaign, proposal.reason, "", proposal.figures)
        return
    granted = _grant(step, campaign, sight, proposal.dials)
    dialled = _dial_up_to(step, campaign, granted.dials)
    rule = granted.rule or ("" if dialled == granted.dials else _shortage(campaign))
    _tell(step, campaign, proposal.reason, rule, granted.figures if granted.rule else proposal.figures)


def _grant(step: Step, campaign: Campaign, sight: Sight, wanted: int) -> Grant:
    """The governor's word. Agents whom other campaigns' calls may need do not count as free; agentless cannot drop."""
    if campaign.policy.mode is Mode.AGENTLESS:
        return Grant(dials=wanted)
    seller = campaign.policy.seller
    others = [
        each for each in step.state.campaigns.values() if each is not campaign and (each.ringing or each.answered)
    ]
    rivals = _rivals(step, campaign, others)
    return governor.grant(
        wanted,
        budgets=campaign.policy.budgets,
        book=campaign.book,
        in_flight=len(campaign.ringing),
        free=max(0, sight.free - sum(len(each.ringing) + len(each.answered) for each in rivals)),
        waiting=sight.waiting,
        now=step.now,
        others_at_risk=sum(len(each.ringing) + len(each.answered) for each in others if each.policy.seller == seller),
    )


def _rivals(step: Step, campaign: Campaign, others: list[Campaign]) -> list[Campaign]:
    """Those of the other campaigns whose calls may be given to the same agents."""
    if not others:
        return others
    mine = step.crews.of(campaign.policy.id).members
    return [each for each in others if not mine.isdisjoint(step.crews.of(each.policy.id).members)]


def _rival_rate(step: Step, campaign: Campaign) -> float:
    """Live answers per second that the same agents will get from other campaigns."""
    others = [each for each in step.state.campaigns.values() if each is not campaign and each.ringing]
    rivals = _rivals(step, campaign, others)
    expected = (len(each.ringing) * each.figures.get("answer_rate", each.policy.answer_rate) for each in rivals)
    return sum(expected) / USUAL_RING_S


def look(step: Step, campaign: Campaign, crew: Crew) -> Sight:
    """What the pacing of this campaign sees now."""
    waiting = [each for each in campaign.answered if _waits(step, each)] if campaign.answered else ()
    free = sum(1 for agent_id in crew.since[AgentState.AVAILABLE] if step.state.agents[agent_id].can_take())
    tokens = _own_limits(campaign.policy)
    return Sight(
        now=step.now,
        free=free,
        waiting=len(waiting),
        ringing=list(campaign.ringing.values()),
        talking=crew.talking,
        wrapping=list(crew.since[AgentState.WRAP_UP].values()),
        staffed=crew.staffed,
        paused=len(crew.since[AgentState.NOT_READY]),
        lines=trunks.room(tokens, campaign.tokens, step.now),
        inbound_rate=_rival_rate(step, campaign) if len(step.state.campaigns) > 1 else 0.0,
        allowance=governor.allowance(budgets=campaign.policy.budgets, book=campaign.book),
    )


def _waits(step: Step, attempt_id: str) -> bool:
    interaction = step.state.interactions.get(interaction_id(attempt_id))
    return interaction is not None and interaction.state is InteractionState.WAITING


def _own_limits(policy: CampaignPolicy) -> TrunkPolicy:
    """The campaign's own lines and calls per second, in the form of a trunk's."""
    return TrunkPolicy(id=policy.id, host="", lines=policy.lines, calls_per_second=policy.calls_per_second)


def _ask_for_book(step: Step, campaign: Campaign) -> None:
    if step.now - campaign.book_asked_at >= BOOK_EVERY:
        campaign.book_asked_at = step.now
        step.do(ReadBook(campaign_id=campaign.policy.id))


def _ask_for_leads(step: Step, campaign: Campaign, sight: Sight) -> None:
    """Keep leads for the next few seconds: two for each agent, and at least ten."""
    wanted = max(10, 2 * sight.staffed)
    if campaign.claiming or len(campaign.stock) > wanted // 2 or step.now < campaign.claim_at:
        return
    campaign.claiming = wanted
    campaign.claim_at = step.now + CLAIM_PAUSE
    step.do(ClaimLeads(campaign_id=campaign.policy.id, count=wanted))


def _shortage(campaign: Campaign) -> str:
    return "no-leads" if not campaign.stock else "no-lines"


def _dial_up_to(step: Step, campaign: Campaign, count: int) -> int:
    """Dial as many as leads and lines allow; returns how many."""
    own = _own_limits(campaign.policy)
    for dialled in range(count):
        lead = _next_lead(step, campaign)
        if lead is None or trunks.room(own, campaign.tokens, step.now) <= 0:
            return dialled
        trunk_id = trunks.choose(campaign.policy.trunks, step.state.trunks, step.state.trunk_states, step.now)
        if trunk_id is None:
            return dialled
        campaign.stock.pop(0)
        trunks.took(own, campaign.tokens, step.now)
        trunks.took(step.state.trunks[trunk_id], step.state.trunk_states[trunk_id], step.now)
        _dial(step, campaign, lead, trunk_id)
    return count


def _next_lead(step: Step, campaign: Campaign) -> ClaimedLead | None:
    stale = 0
    for lead in campaign.stock:
        if lead.not_after > step.now:
            break
        stale += 1
    if stale:
        _give_back(step, campaign, campaign.stock[:stale])
        del campaign.stock[:stale]
    return campaign.stock[0] if campaign.stock else None


def _dial(step: Step, campaign: Campaign, lead: ClaimedLead, trunk_id: TrunkId) -> None:
    attempt = Attempt(
        id=lead.attempt_id,
        campaign_id=campaign.policy.id,
        lead_id=lead.lead_id,
        trunk_id=trunk_id,
        dialled_at=step.now,
    )
    attempts.begin(step, attempt, campaign)
    policy = campaign.policy
    queue = step.state.queues.get(policy.queue_id)
    step.do(
        Dial(
            attempt_id=attempt.id,
            campaign_id=policy.id,
            lead_id=lead.lead_id,
            number=lead.number,
            trunk_id=trunk_id,
            caller_id=policy.caller_id,
            ring_s=policy.ring_s,
            connect_limit_s=policy.connect_limit_s,
            message=policy.message,
            opt_out_digit=policy.opt_out_digit,
            language=queue.language if queue is not None else "en",
            record=visits.recording(interaction_id(attempt.id), 1, queue),
            agentless=policy.mode is Mode.AGENTLESS,
        )
    )


def _tell(step: Step, campaign: Campaign, reason: str, rule: str, figures: dict[str, float]) -> None:
    """Keep the reason for the pace, and make it known when it changed, not more often than people can read."""
    campaign.reason, campaign.rule, campaign.figures = reason, rule, figures
    if campaign.told == f"{reason}/{rule}" or step.now - campaign.told_at < TELL_EVERY:
        return
    campaign.told, campaign.told_at = f"{reason}/{rule}", step.now
    step.publish(CampaignPaced(at=step.now, campaign_id=campaign.policy.id, reason=reason, rule=rule, figures=figures))


# --- what is heard of calls ------------------------------------------------------------------------------------------


def interaction_id(attempt_id: str) -> InteractionId:
    """The interaction that an answered attempt becomes."""
    return InteractionId(f"{attempt_id}.1")


def answered(step: Step, fact: facts.AttemptAnswered) -> None:
    """The line was picked up: from here on it is an interaction, first in its queue."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None or attempt.state is not AttemptState.DIALLING:
        return
    attempts.answered(step, attempt, fact.at)
    campaign = step.state.campaigns[attempt.campaign_id]
    interaction = _arrive(step, campaign.policy, attempt, fact.at)
    if campaign.policy.mode is not Mode.AGENTLESS:
        step.seek_agent(interaction)


def _arrive(step: Step, policy: CampaignPolicy, attempt: Attempt, told_at: int) -> Interaction:
    interaction = Interaction(
        id=interaction_id(attempt.id),
        leg=LegId(attempt.id),
        number=policy.caller_id,
        arrived_at=step.now,
        unit=policy.unit,
        campaign_id=policy.id,
        attempt_id=attempt.id,
        held=True,
        held_at=told_at,
        held_now=step.now,
    )
    step.state.interactions[interaction.id] = interaction
    step.state.legs[interaction.leg] = Leg(id=interaction.leg, interaction_id=interaction.id)
    step.publish(
        InteractionArrived(
            **step.about(interaction),
            number=interaction.number,
            flow="",
            leg=interaction.leg,
            unit=interaction.unit,
            campaign_id=policy.id,
            attempt_id=attempt.id,
        )
    )
    if policy.mode is not Mode.AGENTLESS:
        visits.enter_answered(step, interaction, policy)
        step.timers.set("overdue", attempt.id, step.now + round(policy.connect_limit_s * SECOND) + OVERDUE)
    return interaction


def message_started(step: Step, fact: facts.MessageStarted) -> None:
    """The dialplan plays the identifying message: the call is abandoned, whatever follows."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None:
        return
    if attempt.state is AttemptState.DIALLING:  # the answer was not told
        answered(step, facts.AttemptAnswered(attempt_id=attempt.id, at=fact.at))
    if attempt.state is AttemptState.ANSWERED:
        attempts.end(step, attempt, Outcome.ABANDONED)
    interaction = step.state.interactions.get(interaction_id(attempt.id))
    if interaction is not None:
        _leave_alone(step, interaction, Ending.ABANDONED)


def machine_detected(step: Step, fact: facts.MachineDetected) -> None:
    """No person: whoever was joined to it is free for the next."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None:
        return
    attempts.machine(step, attempt)
    interaction = step.state.interactions.get(interaction_id(attempt.id))
    if interaction is not None and interaction.state is not InteractionState.TALKING:
        _leave_alone(step, interaction, Ending.ABANDONED)
    step.do(HangUp(leg=LegId(attempt.id)))


def _leave_alone(step: Step, interaction: Interaction, how: Ending) -> None:
    """The interaction ends while its leg hears the message."""
    if interaction.state is InteractionState.OFFERED:
        offers.withdraw(step, interaction)
        visits.leave(step, interaction, how)
    elif interaction.state is InteractionState.WAITING:
        visits.leave(step, interaction, how)
    else:
        return
    step.state.legs.pop(interaction.leg, None)
    endings.end(step, interaction)


def overdue(step: Step, attempt: Attempt) -> None:
    """Neither agent nor message nor end: an event was lost."""
    if attempt.state is AttemptState.ANSWERED:
        step.do(Resync(reason="an answered call is overdue"))
        step.timers.set("overdue", attempt.id, step.now + OVERDUE)


def opted_out(step: Step, fact: facts.OptedOut) -> None:
    """A wish that the do-not-call list has already."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is not None:
        step.publish(PersonOptedOut(at=step.now, attempt_id=attempt.id, campaign_id=attempt.campaign_id))


def dial_refused(step: Step, fact: facts.DialRefused) -> None:
    """A rule forbade it in the last moment."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is not None and attempt.state is AttemptState.DIALLING:
        attempts.end(step, attempt, Outcome.REFUSED, rule=fact.rule, until=fact.until)
        attempts.free(step, attempt)


def dial_failed(step: Step, fact: facts.DialFailed) -> None:
    """Nothing left for the network."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is not None and attempt.state is AttemptState.DIALLING:
        attempts.unanswered(step, attempt, Outcome.NOT_DIALLED)


# --- after blindness -------------------------------------------------------------------------------------------------


def compared(step: Step, picture: Mapping[LegId, SeenLeg], *, was_blind: bool) -> None:
    """What a picture of all channels tells of attempts, before anything is believed of their legs."""
    for attempt in list(step.state.attempts.values()):
        real = picture.get(LegId(attempt.id))
        if real is None:
            _missing(step, attempt, was_blind=was_blind)
        elif real.place == "message":
            message_started(step, facts.MessageStarted(attempt_id=attempt.id))
        elif real.place == "answered" and real.up:
            answered(step, facts.AttemptAnswered(attempt_id=attempt.id))


def _missing(step: Step, attempt: Attempt, *, was_blind: bool) -> None:
    if not was_blind and step.now - attempt.dialled_at < JUST_DIALLED:
        return  # Asterisk was asked to dial it a moment ago
    if attempt.state is AttemptState.ENDED:
        attempts.free(step, attempt)
    else:
        trace(step, attempt)


def found(step: Step, fact: facts.AttemptFound) -> None:
    """An INTENT that a crash took out of our memory: what became of it is looked up once we see."""
    attempts.adopt(step, fact.attempt_id, fact.campaign_id, fact.lead_id, fact.trunk_id, fact.dialled_at)


def trace(step: Step, attempt: Attempt) -> None:
    """Its leg is gone and nobody told how: CEL knows."""
    if not attempt.tracing:
        attempt.tracing = True
        step.timers.set("trace", attempt.id, step.now + TRACE_LIMIT)
        step.do(Trace(attempt_id=attempt.id))


def traced(step: Step, fact: facts.AttemptTraced) -> None:
    """What CEL knows of it."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None or not attempt.tracing:
        return
    campaign = step.state.campaigns[attempt.campaign_id]
    if attempt.state is not AttemptState.ENDED:
        attempt.answered_at = attempt.answered_at or fact.answered_at
        attempts.end(step, attempt, outcome_of(fact, campaign.policy), cause=fact.cause)
    attempts.free(step, attempt)


def outcome_of(trace: facts.AttemptTraced, policy: CampaignPolicy) -> Outcome:
    """The outcome of an attempt whose whole life is known from CEL."""
    if not trace.dialled:
        return Outcome.NOT_DIALLED
    if not trace.ended_at:
        return Outcome.LOST
    if not trace.answered_at:
        return trunks.classify(trace.cause, age_us=0)
    if policy.mode is Mode.AGENTLESS:
        return Outcome.MESSAGE
    limit = round(policy.connect_limit_s * SECOND)
    in_time = 0 < trace.joined_at <= trace.answered_at + limit
    if in_time and not 0 < trace.message_at < trace.joined_at:
        return Outcome.CONNECTED
    if trace.message_at or trace.joined_at or trace.ended_at - trace.answered_at >= limit:
        return Outcome.ABANDONED
    return Outcome.HUNG_UP_EARLY


def trace_over(step: Step, attempt: Attempt) -> None:
    """CEL did not answer: quarantined."""
    if attempt.state is not AttemptState.ENDED:
        attempts.end(step, attempt, Outcome.LOST)
    attempts.free(step, attempt)
