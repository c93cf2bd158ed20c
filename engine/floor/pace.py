"""How many calls now: the pacing proposes, the governor disposes, and only lines and leads come after it.

All facts of one instant are taken in before it is decided, once: whatever may change a pace only makes it due
(`Campaign.pace_at`), and the floor decides when it is told that time passed.
"""

from __future__ import annotations

from engine.dialer import blending, governor, trunks
from engine.dialer.governor import Grant
from engine.dialer.pacing import DECIDE_EVERY_US, Proposal, Sight
from engine.dialer.trunks import TrunkState
from engine.domain.agent import AgentState
from engine.domain.campaign import CampaignState, ClaimedLead, Mode
from engine.domain.commands import ReadBook
from engine.domain.events import CampaignPaced
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND, AgentId
from engine.floor import attempts, called, previews, rivals, stock
from engine.floor.crews import Crew
from engine.floor.state import Campaign, FloorState
from engine.floor.step import Step

BOOK_EVERY = 2 * SECOND
TELL_EVERY = 5 * SECOND
USUAL_HANDLE_S = 150.0


def next_due(state: FloorState) -> Campaign | None:
    """The running campaign that wants to be paced first; None while nothing is begun."""
    if not state.campaigns or state.draining:
        return None
    running = [each for each in state.campaigns.values() if each.state is CampaignState.RUNNING]
    return min(running, key=lambda each: (each.pace_at, each.policy.id), default=None)


def decide(step: Step) -> None:
    """Decide for each running campaign whose time has come."""
    if step.state.blind or step.state.draining:
        return
    running = [each for each in step.state.campaigns.values() if each.state is CampaignState.RUNNING]
    due = [each for each in running if each.pace_at <= step.now]
    for campaign in sorted(due, key=lambda each: (each.dialled_at, each.policy.id)) if len(due) > 1 else due:
        campaign.pace_at = step.now + DECIDE_EVERY_US
        _pace(step, campaign)


def _pace(step: Step, campaign: Campaign) -> None:
    crew = step.crews.of(campaign.policy.id)
    _ask_for_book(step, campaign)
    sight = look(step, campaign, crew)
    if not sight.staffed and campaign.policy.mode is not Mode.AGENTLESS:
        _tell(step, campaign, "no-agents", "", {})
        return
    stock.refill(step, campaign, sight.staffed)
    proposal = crew.pacing.decide(sight)
    if campaign.policy.mode is Mode.PREVIEW:
        _preview(step, campaign, crew, proposal)
    elif proposal.dials > 0:
        _dial_granted(step, campaign, sight, proposal)
    else:
        if sight.lines <= 0:
            _come_back_for_a_line(step, campaign)
        _tell(step, campaign, proposal.reason, "" if sight.lines > 0 else "no-lines", proposal.figures)


def _preview(step: Step, campaign: Campaign, crew: Crew, proposal: Proposal) -> None:
    """Dial what agents have looked at, and show the free ones more."""
    _dial_previewed(step, campaign)
    others = rivals.others(step, campaign)
    spare = max(0, proposal.dials - rivals.taken(step, campaign, others))
    shown = previews.show(step, campaign, crew, spare, rivals.shared(step, campaign, others)) if spare else 0
    rule = "" if shown or not proposal.dials else _shortage(campaign) if spare else "rivals"
    _tell(step, campaign, proposal.reason, rule, proposal.figures)


def _dial_granted(step: Step, campaign: Campaign, sight: Sight, proposal: Proposal) -> None:
    """Dial what the governor grants of a proposal, as far as leads and lines go."""
    granted = _grant(step, campaign, sight, proposal.dials)
    dialled = _dial_up_to(step, campaign, granted.dials)
    if not granted.dials and granted.rule == "rivals":
        _take_turn(step, campaign)
    rule = granted.rule
    if dialled < granted.dials or (not rule and dialled >= sight.lines):
        rule = _shortage(campaign)
        _come_back_for_a_line(step, campaign)
    _tell(step, campaign, proposal.reason, rule, granted.figures if granted.rule else proposal.figures)


def _grant(step: Step, campaign: Campaign, sight: Sight, wanted: int) -> Grant:
    """The governor's word, here and for the campaigns that need the same agents; agentless cannot drop."""
    if campaign.policy.mode is Mode.AGENTLESS:
        return Grant(dials=wanted)
    others = rivals.others(step, campaign)
    seller = campaign.policy.seller
    taken = min(sight.free, rivals.taken(step, campaign, others))
    granted = governor.grant(
        wanted,
        budgets=campaign.policy.budgets,
        book=campaign.book,
        in_flight=rivals.in_flight(campaign),
        free=sight.free - taken,
        waiting=sight.waiting,
        now=step.now,
        others_at_risk=sum(rivals.claims(step, each) for each in others if each.policy.seller == seller),
    )
    left = rivals.left(step, campaign, granted.dials, others)
    without = granted.figures.get("room", -taken) + taken
    for_them = left < granted.dials or (granted.dials < wanted and taken > 0 and without > 0)
    if for_them and not left:
        rivals.starve(step, campaign)
    return Grant(dials=left, rule="rivals", figures=granted.figures) if for_them else granted


def _take_turn(step: Step, campaign: Campaign) -> None:
    """Where the calls of others leave it nobody for long: one call, with an agent kept for it as after a preview."""
    agent = rivals.next_in_turn(step, campaign, rivals.others(step, campaign))
    lead = stock.first(step, campaign) if agent is not None else None
    if agent is None or lead is None or not _may_dial_for(step, campaign, 1):
        return
    if _place(step, campaign, lead, agent.profile.id):
        campaign.stock.pop(0)
        campaign.turn = lead.attempt_id
        previews.keep(agent, campaign, lead)


def _room_of_trunks(step: Step, campaign: Campaign) -> int:
    """How many more calls the campaign's trunks would carry now."""
    return sum(trunks.room(policy, state, step.now) for policy, state in _trunks(step, campaign))


def _trunks(step: Step, campaign: Campaign) -> list[tuple[TrunkPolicy, TrunkState]]:
    """The campaign's trunks that are there."""
    state = step.state
    return [(state.trunks[each], state.trunk_states[each]) for each in campaign.policy.trunks if each in state.trunks]


def look(step: Step, campaign: Campaign, crew: Crew) -> Sight:
    """What the pacing of this campaign sees now."""
    waiting = rivals.waiting(step, campaign)
    free = sum(1 for agent_id in crew.since[AgentState.AVAILABLE] if step.state.agents[agent_id].can_take())
    tokens = attempts.own_limits(campaign.policy)
    inbound = campaign.inbound.rate(step.now)
    return Sight(
        now=step.now,
        free=max(0, free - _reserve(step, campaign, crew, inbound)),
        waiting=waiting,
        ringing=sorted(campaign.ringing.values()),
        talking=crew.talking,
        wrapping=sorted(crew.since[AgentState.WRAP_UP].values()),
        staffed=crew.staffed,
        paused=len(crew.since[AgentState.NOT_READY]),
        lines=min(trunks.room(tokens, campaign.tokens, step.now), _room_of_trunks(step, campaign)),
        inbound_rate=inbound + (rivals.answers_per_s(step, campaign) if len(step.state.campaigns) > 1 else 0.0),
        allowance=governor.allowance(
            budgets=campaign.policy.budgets,
            book=campaign.book,
            at_risk=max(0, len(campaign.ringing) + waiting - free),
        ),
    )


def _reserve(step: Step, campaign: Campaign, crew: Crew, inbound: float) -> int:
    """How many free agents are kept for callers, so that their queues keep the strictest of their service levels."""
    if not inbound or not crew.other_queues:
        return 0
    within_s = min(step.state.queues[each].service_level_s for each in sorted(crew.other_queues))
    waiting = sum(step.line.length(each) for each in crew.other_queues)
    return blending.reserve(inbound, campaign.handle_s or USUAL_HANDLE_S, crew.staffed, (0.8, within_s), waiting)


def _ask_for_book(step: Step, campaign: Campaign) -> None:
    if step.now - campaign.book_asked_at >= BOOK_EVERY:
        campaign.book_asked_at = step.now
        step.do(ReadBook(campaign_id=campaign.policy.id))


def _come_back_for_a_line(step: Step, campaign: Campaign) -> None:
    """Limits of calls per second let calls go one by one: be there when the next may."""
    own = trunks.next_room_at(attempts.own_limits(campaign.policy), campaign.tokens, step.now)
    of_trunks = [trunks.next_room_at(policy, state, step.now) for policy, state in _trunks(step, campaign)]
    at = max(own or step.now, min((each for each in of_trunks if each is not None), default=step.now))
    if at > step.now:
        campaign.pace_at = min(campaign.pace_at, at)


def _shortage(campaign: Campaign) -> str:
    return "no-leads" if not campaign.stock else "no-lines"


def _dial_up_to(step: Step, campaign: Campaign, count: int) -> int:
    """Dial as many as leads and lines allow; returns how many."""
    for dialled in range(count):
        lead = stock.first(step, campaign)
        if lead is None or not _place(step, campaign, lead):
            return dialled
        campaign.stock.pop(0)
    return count


def _place(step: Step, campaign: Campaign, lead: ClaimedLead, agent_id: AgentId | None = None) -> bool:
    """Dial this lead over the first trunk that has room for it; False when there is none."""
    if trunks.room(attempts.own_limits(campaign.policy), campaign.tokens, step.now) <= 0:
        return False
    trunk_id = trunks.choose(campaign.policy.trunks, step.state.trunks, step.state.trunk_states, step.now)
    if trunk_id is not None:
        called.dial(step, campaign, lead, trunk_id, agent_id)
    return trunk_id is not None


def _dial_previewed(step: Step, campaign: Campaign) -> None:
    """Dial what agents have looked at. Each call has its agent, so the governor only asks whether it may be dialled."""
    agents = previews.wanted(step, campaign)
    if not agents:
        return
    for agent in agents[: _may_dial_for(step, campaign, len(agents))]:
        if agent.preview is not None and _place(step, campaign, agent.preview.lead, agent.profile.id):
            previews.dialled(agent)


def _may_dial_for(step: Step, campaign: Campaign, agents: int) -> int:
    """How many calls the governor grants that each have their agent."""
    budgets, book = campaign.policy.budgets, campaign.book
    granted = governor.grant(agents, budgets=budgets, book=book, in_flight=0, free=agents, waiting=0, now=step.now)
    return granted.dials


def _tell(step: Step, campaign: Campaign, reason: str, rule: str, figures: dict[str, float]) -> None:
    """Keep the reason for the pace, and make it known when it changed, not more often than people can read."""
    campaign.reason, campaign.rule, campaign.figures = reason, rule, figures
    if campaign.told == f"{reason}/{rule}" or step.now - campaign.told_at < TELL_EVERY:
        return
    campaign.told, campaign.told_at = f"{reason}/{rule}", step.now
    step.publish(CampaignPaced(at=step.now, campaign_id=campaign.policy.id, reason=reason, rule=rule, figures=figures))
