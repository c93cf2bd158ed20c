"""Campaigns, leads and the do-not-call list as a supervisor sees and changes them: read models, and contracts.

Like `engine.runtime.views` and `engine.runtime.console`, whose parts they are. Whatever only a running engine knows is
in `CampaignView.live`; without one the rest is read from the store and changed there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from engine.dialer.law import Rules
from engine.dialer.preflight import Finding, Forecast
from engine.domain.campaign import CampaignPolicy, CampaignState, Window
from engine.domain.flow import OpenSpan
from engine.domain.values import Value
from engine.runtime.views import Page

# --- campaigns -------------------------------------------------------------------------------------------------------


class CampaignDefinition(CampaignPolicy):
    """A campaign as people define it: the policy that paces it, and its terms towards those whom it calls.

    `rules`: calling hours, caps and intervals per number. `timezone`: where people are taken to be whose number does
    not tell; "": they are not called. `max_attempts`: then a lead is done. `retry_s`: seconds by outcome until it is
    called again, where they differ from the usual; 0 ends the lead. `region`: the country (ISO 3166) of numbers without
    country code. `schedule`: when the campaign is meant to work, in `timezone`, for forecasts.
    """

    rules: Rules = Rules()
    timezone: str = ""
    max_attempts: int = 6
    retry_s: dict[str, float] = {}
    region: str = ""
    schedule: tuple[OpenSpan, ...] = ()


class CrewView(Value):
    """The agents who serve a campaign, by what they do. `staffed` are at work for it: free, talking or in wrap-up."""

    staffed: int
    free: int
    talking: int
    wrapping: int
    paused: int


class LinesView(Value):
    """Lines: `up` all that are in use, `ringing` not answered yet, `waiting` answered by a person, without an agent."""

    up: int
    ringing: int
    waiting: int


class CampaignLive(Value):
    """What only a running engine knows. `says` and `rule_says` are `reason` and `rule` in words.

    `reason` is why the pacing wants what it wants, `rule` what took some of it, "" when nothing did; `figures` are
    what the decision rests on. `stock`: leads claimed for the next seconds.
    """

    reason: str
    says: str
    rule: str
    rule_says: str
    figures: dict[str, float]
    agents: CrewView
    lines: LinesView
    stock: int


class BudgetView(Value):
    """How one abandonment budget stands: live answers and drops in its window, and what they prove.

    `bears`: the most drops that the window may end with, -1 when even none would prove too little. `upper95`: the
    one-sided 95 % bound (Clopper and Pearson) on the rate behind what was seen; `rate` is None before the first answer.
    """

    window: Window
    of_seller: bool
    cap: float
    answers: int
    drops: int
    forecast: int
    bears: int
    rate: float | None
    upper95: float


class LeadCounts(Value):
    """A campaign's leads by state."""

    new: int
    claimed: int
    dialled: int
    done: int
    dnc: int


class CampaignView(CampaignDefinition):
    """A campaign as defined, and how it stands. `state` is what was last asked of it, `begun` its first start."""

    state: CampaignState
    begun: datetime | None
    leads: LeadCounts
    standings: tuple[BudgetView, ...]
    live: CampaignLive | None


class CampaignCheck(Value):
    """What the linter says: `ok` without errors. `forecast` is None without agents."""

    campaign_id: str
    ok: bool
    findings: tuple[Finding, ...]
    forecast: Forecast | None


class Spread(Value):
    """Half, and 99 of 100, were at most so long; ms. None where nothing was measured."""

    p50: float | None
    p99: float | None


class CampaignReport(Value):
    """What a campaign's attempts came to that were begun from `start` up to `end`.

    `attempts` left for the network; `open` of them have no outcome yet. `outcomes` counts them by outcome, every
    outcome there; `refused` counts by rule what was never dialled. `answer_to_agent_ms`: from the answer until
    an agent was joined. `agent_utilisation`: the share of the ready time of agents who took its calls that they talked
    or wrapped up, whatever for; None when nobody did.
    """

    campaign_id: str
    start: datetime
    end: datetime
    timezone: str
    attempts: int
    open: int
    outcomes: dict[str, int]
    refused: dict[str, int]
    live_answers: int
    connected: int
    abandoned: int
    hung_up_early: int
    machines: int
    abandon_rate: float | None
    abandon_upper95: float
    answer_to_agent_ms: Spread
    agent_utilisation: float | None


# --- leads -----------------------------------------------------------------------------------------------------------


class ImportView(Value):
    """One import of a list. `ended` is None while it goes on, or when it was cut off. `reasons`: rejected by reason.

    `number_column`: the name of the column that the numbers were taken from.
    """

    id: str
    campaign_id: str
    source: str
    begun: datetime
    ended: datetime | None
    accepted: int
    duplicates: int
    rejected: int
    reasons: dict[str, int]
    number_column: str = ""


class LeadView(Value):
    """Somebody to be called; his number is masked unless it was asked for, None once it was erased.

    `zones`: where he may live. `next`: not called before. `last_outcome`: of the last attempt. `unrung`: so many dials
    in a row reached nobody's telephone; then `why` says what follows from it, else "".
    """

    id: str
    campaign_id: str
    number: str | None
    segment: str
    priority: int
    zones: tuple[str, ...]
    state: str
    attempts: int
    last_outcome: str | None
    next: datetime
    import_id: str
    unrung: int = 0
    why: str = ""


class AttemptView(Value):
    """One attempt as the ledger has it; `outcome` is None while it is open. `cause` is Q.850."""

    id: str
    trunk_id: str
    begun: datetime
    answered: datetime | None
    connected: datetime | None
    ended: datetime | None
    outcome: str | None
    wait_ms: float | None
    cause: int
    rule: str
    agent_id: str | None


class LeadDetail(LeadView):
    """A lead with everything that was done about him, first to last; refusals too."""

    history: tuple[AttemptView, ...]


class RejectedView(Value):
    """A row of a file that became no lead. `masked` hints at what stood for the number."""

    import_id: str
    source: str
    line: int
    reason: str
    masked: str


class WantedLeads(Value):
    """Which leads, in order of their import: of a campaign, an import, in a state ("" any); or which rejected rows."""

    campaign: str = ""
    state: str = ""
    cursor: str = ""
    limit: int = 100
    import_id: str = ""


class ListColumns(Value):
    """Which columns of a file hold what, by their names in its header; "" where their names tell."""

    number: str = ""
    segment: str = ""
    priority: str = ""
    timezone: str = ""

    def named(self) -> dict[str, str]:
        """Those that were named."""
        return {field: name for field in self.__struct_fields__ if (name := getattr(self, field))}  # type: ignore[attr-defined]


# --- do not call -----------------------------------------------------------------------------------------------------


class DoNotCallView(Value):
    """Whether a number is on the own do-not-call list. `source`: opt-out, operator or import; "" when it is not."""

    number: str
    listed: bool
    source: str
    by: str
    added: datetime | None


class DoNotCallImport(Value):
    """What an import into the do-not-call list came to. `rejected_rows`: the first of them."""

    source: str
    added: int
    known: int
    rejected: int
    reasons: dict[str, int]
    rejected_rows: tuple[RejectedView, ...]


# --- contracts -------------------------------------------------------------------------------------------------------


class CampaignRoll(Protocol):
    """Campaigns. `list` to `remove` as for every definition; each verb returns the campaign as it is afterwards."""

    async def list(self) -> Sequence[CampaignView]:
        """All, by id."""

    async def show(self, id_: str) -> CampaignView:
        """One.

        :raises NotFound: there is none.
        """

    async def add(self, policy: CampaignDefinition) -> CampaignView:
        """Define a new one; it is stopped.

        :raises Conflict: its id is taken.
        :raises ConfigError: it cannot be used; `where` names the field.
        :raises RefusedByRule: it would let telephones ring for less than 15 s.
        """

    async def change(self, id_: str, changes: Mapping[str, object]) -> CampaignView:
        """Change some fields; a list or table that is given replaces the old one whole.

        :raises NotFound: there is none.
        :raises ConfigError: it cannot be used; the old one stays live.
        """

    async def remove(self, id_: str) -> None:
        """Remove it with its leads. Its attempts stay in the ledger.

        :raises NotFound: there is none.
        :raises Conflict: it is not stopped, or calls are up.
        """

    async def start(self, id_: str) -> CampaignView:
        """Dial from now on; without a running engine, from its start on.

        :raises NotFound: there is none.
        :raises RefusedByRule: `check` finds errors.
        """

    async def pause(self, id_: str) -> CampaignView:
        """Dial no more for now; what rings goes on.

        :raises NotFound: there is none.
        :raises Conflict: it is stopped.
        """

    async def stop(self, id_: str) -> CampaignView:
        """Dial no more; claimed leads go back.

        :raises NotFound: there is none.
        """

    async def check(self, id_: str) -> CampaignCheck:
        """What forbids it, what will hurt, and what may be hoped for.

        :raises NotFound: there is none.
        """

    async def report(self, id_: str, start: str, end: str) -> CampaignReport:
        """What its attempts came to. `start` "" is its beginning, `end` "" is now.

        :raises NotFound: there is none.
        :raises UsageError: a time cannot be read.
        """


class LeadDesk(Protocol):
    """Leads of all campaigns, and the lists they came from."""

    async def bring(
        self, campaign_id: str, file: Path, region: str, columns: ListColumns, encoding: str = ""
    ) -> ImportView:
        """Import a file. `region` "" is the campaign's own, `encoding` "" is what the file tells.

        Its rows so far can be read from `imports` meanwhile.

        :raises NotFound: no such campaign or file.
        :raises ConfigError: no such country or encoding, or the file is no list; nothing was imported.
        """

    async def imports(self, campaign_id: str) -> Sequence[ImportView]:
        """The imports of a campaign, latest first.

        :raises NotFound: no such campaign.
        """

    async def list(self, wanted: WantedLeads, *, reveal: bool = False) -> Page[LeadView]:
        """One page of leads.

        :raises NotFound: no such campaign or import.
        :raises UsageError: there is no such state, or the cursor cannot be read.
        """

    async def rejected(self, wanted: WantedLeads) -> Page[RejectedView]:
        """One page of the rows that became no lead.

        :raises NotFound: no such campaign or import.
        :raises UsageError: the cursor cannot be read.
        """

    async def show(self, id_: str, *, reveal: bool = False) -> LeadDetail:
        """One lead with its attempts.

        :raises NotFound: there is none.
        """


class DoNotCallDesk(Protocol):
    """The own do-not-call list. Numbers as people write them; `region` is the country of those without country code."""

    async def add(self, number: str, region: str, by: str) -> DoNotCallView:
        """Put a number on the list; it holds from its return on, for every campaign.

        :raises ConfigError: it is no number.
        """

    async def remove(self, number: str, region: str) -> DoNotCallView:
        """Take a number off the list.

        :raises ConfigError: it is no number.
        :raises NotFound: it is not on the list.
        """

    async def check(self, number: str, region: str) -> DoNotCallView:
        """Whether a number is on the list.

        :raises ConfigError: it is no number.
        """

    async def bring(self, file: Path, region: str, column: str) -> DoNotCallImport:
        """Put all numbers of a file on the list: one a line, or a CSV. `column` "" is told from the header.

        :raises NotFound: no such file.
        :raises ConfigError: the file is no list; nothing was changed.
        """


class Outbound(Protocol):
    """What routes and commands about campaigns need: of a running engine's console, or of the store alone."""

    @property
    def campaigns(self) -> CampaignRoll:
        """Campaigns."""

    @property
    def leads(self) -> LeadDesk:
        """Leads."""

    @property
    def do_not_call(self) -> DoNotCallDesk:
        """The do-not-call list."""
