"""The console: everything a supervisor may ask of a running engine, as a contract.

The HTTP API and the command line know nothing else of the engine. `engine.main.console.LiveConsole` keeps the contract
over a live engine; tests keep it in memory. Every method may raise `StoreUnavailable`; the rest is said in place.
A change is acknowledged only once it is on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.domain.values import LegMode, Value
from engine.runtime.outbound import Outbound
from engine.runtime.views import (
    AgentsReport,
    AgentView,
    CallView,
    Configuration,
    Explained,
    FloorView,
    FlowActivation,
    FlowView,
    Health,
    InteractionDetail,
    InteractionView,
    Page,
    QueueView,
    Reading,
    ServiceLevelReport,
    Skill,
    VerifyReport,
)

Shown_co = TypeVar("Shown_co", covariant=True)
Policy_contra = TypeVar("Policy_contra", contravariant=True)

Changes = Mapping[str, Any]
"""New values of some fields of a definition, as JSON has them; the fields that are absent stay."""


class Roll(Protocol[Shown_co, Policy_contra]):
    """One kind of definition: listed, shown, added, changed, removed. What is live follows at once."""

    async def list(self) -> Sequence[Shown_co]:
        """All, by id."""

    async def show(self, id_: str) -> Shown_co:
        """One.

        :raises NotFound: there is none.
        """

    async def add(self, policy: Policy_contra) -> Shown_co:
        """Define a new one.

        :raises Conflict: its id is taken.
        :raises ConfigError: it cannot be used; `where` names the field.
        """

    async def change(self, id_: str, changes: Changes) -> Shown_co:
        """Change some fields; a list or table that is given replaces the old one whole.

        :raises NotFound: there is none.
        :raises ConfigError: it cannot be used; the old one stays live.
        """

    async def remove(self, id_: str) -> None:
        """Remove it. What happened with it stays in the fact tables.

        :raises NotFound: there is none.
        :raises Conflict: it is in use.
        """


class AgentRoll(Roll[AgentView, AgentProfile], Protocol):
    """Agents, and what a supervisor may have them do. Each verb returns the agent as he is afterwards."""

    async def set_pin(self, id_: str, pin: str) -> None:
        """Give a PIN of 4 to 8 digits; ends a lock-out.

        :raises NotFound: no such agent.
        :raises ConfigError: it is no PIN.
        """

    async def login(self, id_: str, *, ready: bool = True, mode: LegMode | None = None) -> AgentView:
        """Sign in; a nailed-up phone is rung. `mode` None: as defined.

        :raises NotFound: no such agent.
        :raises Conflict: signed in already.
        """

    async def logout(self, id_: str) -> AgentView:
        """Sign out; on a call, after it (`follows`).

        :raises NotFound: no such agent.
        :raises Conflict: not signed in.
        """

    async def ready(self, id_: str) -> AgentView:
        """Available from now on, or after the present call.

        :raises NotFound: no such agent.
        :raises Conflict: not signed in.
        """

    async def not_ready(self, id_: str, reason: str) -> AgentView:
        """No more interactions for `reason`; on a call, after it (`follows`).

        :raises NotFound: no such agent.
        :raises Conflict: not signed in.
        """

    async def wrap_up(self, id_: str) -> AgentView:
        """End the wrap-up before its time.

        :raises NotFound: no such agent.
        :raises Conflict: not in wrap-up.
        """


class QueueRoll(Roll[QueueView, QueuePolicy], Protocol):
    """Queues. A closed queue takes nobody in; who waits goes on waiting."""

    async def open(self, id_: str) -> QueueView:
        """Let callers in.

        :raises NotFound: no such queue.
        """

    async def close(self, id_: str) -> QueueView:
        """Let no more callers in.

        :raises NotFound: no such queue.
        """


class TrunkRoll(Roll[TrunkPolicy, TrunkPolicy], Protocol):
    """Trunks; Asterisk learns of a change by `callwright asterisk apply`."""

    async def set_secret(self, id_: str, secret: str) -> None:
        """Keep the password that the carrier asks for; it is never shown again.

        :raises NotFound: no such trunk.
        :raises ConfigError: it cannot stand in Asterisk's configuration.
        """


class Calls(Protocol):
    """Live calls."""

    async def list(self, *, reveal: bool = False) -> Sequence[CallView]:
        """All, in order of arrival. `reveal` shows callers unmasked."""

    async def show(self, id_: str, *, reveal: bool = False) -> CallView:
        """One.

        :raises NotFound: no live call of that id.
        """

    async def hang_up(self, id_: str) -> CallView:
        """Ask Asterisk to end it; the call as it was then.

        :raises NotFound: no live call of that id.
        :raises AsteriskUnreachable: Asterisk cannot be told.
        """


class Wanted(Value):
    """Which interactions: arrived from `start` to `end` (ISO 8601, "" any), of a queue, of an agent; newest first.

    Without an offset a time is the site's own; a day alone is its beginning, as `end` its end.
    """

    start: str = ""
    end: str = ""
    queue: str = ""
    agent: str = ""
    cursor: str = ""
    limit: int = 50


class Interactions(Protocol):
    """Interactions, live and over."""

    async def list(self, wanted: Wanted, *, reveal: bool = False) -> Page[InteractionView]:
        """One page, newest first.

        :raises UsageError: a time or the cursor cannot be read.
        """

    async def show(self, id_: str, *, reveal: bool = False) -> InteractionDetail:
        """One, with phases and legs.

        :raises NotFound: there is none.
        """


class Flows(Protocol):
    """Live flows."""

    async def list(self) -> Sequence[FlowView]:
        """All, by name."""

    async def activate(self, name: str, text: str) -> FlowActivation:
        """Make the text of a flow file the live version, and keep it for the next start.

        :raises ConfigError: the text cannot be used; the old version stays live.
        """


class ReportDesk(Protocol):
    """Figures from the fact tables. `start`, `end` as in `Wanted`; empty is today, up to now."""

    async def service_level(self, start: str, end: str, queue: str, formula: str) -> ServiceLevelReport:
        """Visits to queues and how many were answered in time. `queue` "" is all, `formula` "" is ours.

        :raises UsageError: a time cannot be read.
        :raises NotFound: no such queue or formula.
        """

    async def agents(self, start: str, end: str) -> AgentsReport:
        """How agents spent their time.

        :raises UsageError: a time cannot be read.
        """


class Console(Outbound, Protocol):
    """A running engine, noun by noun."""

    @property
    def agents(self) -> AgentRoll:
        """Agents."""

    @property
    def queues(self) -> QueueRoll:
        """Queues."""

    @property
    def skills(self) -> Roll[Skill, Skill]:
        """Skills."""

    @property
    def numbers(self) -> Roll[NumberPolicy, NumberPolicy]:
        """Inbound numbers; the id is the number in E.164."""

    @property
    def trunks(self) -> TrunkRoll:
        """Trunks."""

    @property
    def calls(self) -> Calls:
        """Live calls."""

    @property
    def interactions(self) -> Interactions:
        """Interactions, live and over."""

    @property
    def flows(self) -> Flows:
        """Live flows."""

    @property
    def reports(self) -> ReportDesk:
        """Reports."""

    async def floor(self, *, reveal: bool = False) -> FloorView:
        """The whole floor at this moment."""

    async def explain(self, interaction_id: str) -> Explained:
        """Why each agent was chosen or refused, recomputed from the journal.

        :raises NotFound: the journal knows no decision about it.
        """

    async def verify(self) -> VerifyReport:
        """Compare belief and truth; takes 2 s and more where something differs.

        :raises AsteriskUnreachable: Asterisk cannot be read.
        """

    async def config(self) -> Configuration:
        """The settings in force, without secrets."""

    async def health(self) -> Health:
        """Whether the engine can do its work. Never raises."""

    def readings(self) -> Sequence[Reading]:
        """Gauges and counters at this moment; cheap, never raises, no personal data."""
