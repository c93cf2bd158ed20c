"""What a campaign is: frozen policy that the core receives as a fact.

Durations are seconds (float) because people write them; instants are microseconds (int).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from engine.domain.values import Prompt, QueueId, Token, Value

CampaignId = NewType("CampaignId", str)
AttemptId = NewType("AttemptId", str)
"""Minted when a lead is claimed. It is the ledger's key, the ActionID and the ChannelId, so it is the leg's id too."""
LeadId = NewType("LeadId", str)
TrunkId = NewType("TrunkId", str)

LEGAL_RING_S = 15.0
"""No unanswered call is ended earlier: 15 s or four rings (16 CFR 310.4(b)(4)(ii))."""


class Mode(StrEnum):
    """How a campaign dials."""

    PREVIEW = "preview"
    PROGRESSIVE = "progressive"
    POWER = "power"
    PREDICTIVE = "predictive"
    AGENTLESS = "agentless"


class CampaignState(StrEnum):
    """What was last asked of a campaign."""

    STOPPED = "stopped"
    RUNNING = "running"
    PAUSED = "paused"


class Window(StrEnum):
    """The period over which a rule counts abandoned calls."""

    RUN = "run"  # since the campaign began
    ROLLING_30_DAYS = "rolling-30-days"
    BLOCK_30_DAYS = "block-30-days"  # successive 30 days from the campaign's beginning (16 CFR 310.4(b)(4)(i))
    CALENDAR_MONTH = "calendar-month"  # CRTC
    DAY = "24-hours"  # Ofcom's older text


class Budget(Value):
    """At most `cap` of the live answers in each `window` may be abandoned, over the campaign or all of its seller's."""

    window: Window = Window.ROLLING_30_DAYS
    cap: float = 0.03
    of_seller: bool = False


class CampaignPolicy(Value):
    """One campaign.

    `queue_id`: whose agents serve it. `seller`: for whom it calls; budgets and messages name him. `caller_id`: E.164,
    ours. `trunks`: in the order of preference. `ratio`: lines per free agent in power mode. `lines`: at most so many
    calls up or ringing at once, 0 for no limit of its own. `connect_limit_s`: the legal limit from the answer to the
    agent. `answer_rate`: what is believed before anything was seen. `forecast_answers`: live answers to be expected in
    this run before the shortest of its budgets' windows is over, known from schedule and list; 0 where unknown. A
    tally's forecast is what is left of them: too high a number here lets too many be abandoned early.
    """

    id: CampaignId
    name: str
    queue_id: QueueId
    seller: str = ""
    mode: Mode = Mode.PREDICTIVE
    caller_id: str = ""
    trunks: tuple[TrunkId, ...] = ()
    ratio: float = 1.5
    lines: int = 0
    calls_per_second: float = 0.0
    ring_s: float = 25.0
    connect_limit_s: float = 2.0
    budgets: tuple[Budget, ...] = (Budget(),)
    answer_rate: float = 0.3
    forecast_answers: int = 0
    preview_s: float = 20.0
    wrap_up_s: float | None = None
    message: Prompt = Prompt(file="callwright/sorry-nobody-free")
    opt_out_digit: str = "9"
    unit: str = "main"


class ClaimedLead(Value):
    """A lead that the store reserved for us, with the attempt id it will be dialled under.

    `not_after`: give it back rather than dial it later (its lease, or its calling window, ends). `segment`: which
    answer rate it shares, such as its list.
    """

    attempt_id: AttemptId
    lead_id: LeadId
    number: Token
    not_after: int
    segment: str = ""


class Tally(Value):
    """Sums of one budget's window: live answers and those of them that were abandoned."""

    window: Window
    of_seller: bool = False
    answers: int = 0
    drops: int = 0
    forecast: int = 0
    """Live answers still expected before the window ends, beyond `answers`; 0 where unknown."""
