"""The demo's company: its queues, people and numbers. Small enough to watch, busy enough to wait sometimes."""

from __future__ import annotations

from engine.dialer.forecast import Conditions, predictive
from engine.dialer.law import HoursRule, Rules
from engine.domain.campaign import LEGAL_RING_S, Budget, CampaignId, Mode, TrunkId
from engine.domain.flow import OpenSpan
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, RoutingStep, SkillNeed, TrunkPolicy
from engine.domain.values import AgentId, LegMode, QueueId
from engine.runtime.outbound import CampaignDefinition

PIN = "2468"
NUMBER = "+442079460001"
NUMBER_ZH = "+862161234567"

_PEOPLE = (
    ("1001", "Ada Byron", LegMode.NAILED_UP, {"sales": 5, "support": 2}),
    ("1002", "张伟", LegMode.NAILED_UP, {"sales": 3, "support": 4}),
    ("1003", "Grace Hopper", LegMode.NAILED_UP, {"support": 5}),
    ("1004", "Agner Erlang", LegMode.ON_DEMAND, {"sales": 4}),
    ("1005", "李娜", LegMode.ON_DEMAND, {"support": 3, "sales": 1}),
)


def _queue(queue_id: str, name: str, skill: str) -> QueuePolicy:
    return QueuePolicy(
        id=QueueId(queue_id),
        name=name,
        steps=(
            RoutingStep(needs=(SkillNeed(skill=skill, level=2),)),
            RoutingStep(needs=(SkillNeed(skill=skill, level=1),), after_s=8.0),
        ),
        ring_s=8.0,
        wrap_up_s=2.0,
        max_wait_s=45.0,
        announce_every_s=12.0,
    )


QUEUES = (_queue("sales", "Sales", "sales"), _queue("support", "Support", "support"))
AGENTS = tuple(
    AgentProfile(id=AgentId(code), name=name, endpoint=f"agent-{code}", skills=skills, mode=mode)
    for code, name, mode, skills in _PEOPLE
)
NUMBERS = (NumberPolicy(e164=NUMBER, flow="main-en"),)

# --- the campaign ----------------------------------------------------------------------------------------------------

OUTBOUND_AGENTS = 6
"""How many agents call out, unless the demo is told another number."""
OUTREACH = CampaignId("outreach")
SELLER = "Callwright Demo"
TRUNK = TrunkId("pstn")
ANSWER_RATE = 0.3
"""What is believed before anything was seen: `leads.MIX` has about so many people."""
TALK_S = 7.5
RING_S = 3.5
WRAP_UP_S = 2.0
WORKING_DAY_S = 8 * 3_600
CALLERS_QUEUE = QueuePolicy(
    id=QueueId("outreach"),
    name="Outreach",
    steps=(RoutingStep(needs=(SkillNeed(skill="outreach", level=1),)),),
    wrap_up_s=WRAP_UP_S,
)
SKILLS = ("sales", "support", "outreach")
_NAMES = ("Joan Clarke", "王芳", "Hedy Lamarr", "刘洋", "Emmy Noether", "陈静", "Ida Rhodes", "赵敏")


def outbound_agents(count: int) -> tuple[AgentProfile, ...]:
    """Agents 2001 and following, who only call out; all hold their phone open, as predictive dialling needs it."""
    return tuple(
        AgentProfile(
            id=AgentId(str(2001 + place)),
            name=_NAMES[place] if place < len(_NAMES) else f"Agent {2001 + place}",
            endpoint=f"agent-{2001 + place}",
            skills={"outreach": 5},
            mode=LegMode.NAILED_UP,
        )
        for place in range(count)
    )


def answers_of_a_working_day(agents: int) -> int:
    """The live answers that so many agents would take in eight hours of such calls: what the budget is forecast by."""
    handle_s = TALK_S + WRAP_UP_S
    hoped = predictive(
        Conditions(
            agents=agents, answer_rate=ANSWER_RATE, handle_s=handle_s, answer_s=RING_S, fail_s=0.85 * LEGAL_RING_S
        )
    )
    return round(agents * hoped * WORKING_DAY_S / handle_s)


def trunk(host: str, port: int) -> TrunkPolicy:
    """The one line to the simulated network."""
    return TrunkPolicy(id=TRUNK, host=host, port=port, lines=60)


def campaign(agents: int) -> CampaignDefinition:
    """The predictive campaign. People of the simulated network have no night: they may be called at any hour."""
    return CampaignDefinition(
        id=OUTREACH,
        name="Outreach",
        queue_id=CALLERS_QUEUE.id,
        seller=SELLER,
        mode=Mode.PREDICTIVE,
        caller_id=NUMBER,
        trunks=(TRUNK,),
        ring_s=LEGAL_RING_S,
        budgets=(Budget(),),
        answer_rate=ANSWER_RATE,
        forecast_answers=answers_of_a_working_day(agents),
        wrap_up_s=WRAP_UP_S,
        rules=Rules(
            hours=(HoursRule(id="any-hour", spans=(OpenSpan(weekdays=(0, 1, 2, 3, 4, 5, 6), start=0, end=1440),)),)
        ),
    )
