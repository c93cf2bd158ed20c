"""How long contacts take and how busy agents are: handle time and occupancy.

Time is split at the edges of an interval: a call from 9:50 to 10:20 counts ten minutes before ten and twenty after
(`clip`), not all of it where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.acd.figures import Figure, Formula, Unit, by_id, find
from engine.domain.agent import AgentState
from engine.domain.values import SECOND, Value
from engine.errors import BrokenInvariant

DEFAULT_HANDLE_TIME = "aht.callwright/1"
DEFAULT_OCCUPANCY = "occupancy.callwright/1"


class Contact(Value):
    """One handled interaction: how long (µs) its parts took. `dial_us` is dialling and ringing out, outbound only."""

    talk_us: int
    hold_us: int = 0
    wrap_up_us: int = 0
    dial_us: int = 0


class Handled(Value):
    """Contacts added up: how many, and the µs of their parts."""

    contacts: int = 0
    talk_us: int = 0
    hold_us: int = 0
    wrap_up_us: int = 0
    dial_us: int = 0


class Span(Value):
    """An agent was in one state from `from_us` up to, not including, `to_us` (UTC µs)."""

    state: AgentState
    from_us: int
    to_us: int


class StateTimes(Value):
    """The µs that agents spent in each state; a state that is absent took none."""

    by_state: dict[AgentState, int]

    def in_states(self, *states: AgentState) -> int:
        """The µs spent in these states."""
        return sum(self.by_state.get(state, 0) for state in states)


def handled(contacts: Iterable[Contact]) -> Handled:
    """Add contacts up."""
    counts = dict.fromkeys(Handled.__annotations__, 0)
    for contact in contacts:
        counts["contacts"] += 1
        for name in Contact.__annotations__:
            counts[name] += getattr(contact, name)
    return Handled(**counts)


def clip(spans: Iterable[Span], from_us: int, to_us: int) -> list[Span]:
    """The parts of the spans that lie in the interval from `from_us` up to `to_us`; empty parts are left out."""
    parts = (Span(state=s.state, from_us=max(s.from_us, from_us), to_us=min(s.to_us, to_us)) for s in spans)
    return [part for part in parts if part.from_us < part.to_us]


def state_times(spans: Iterable[Span]) -> StateTimes:
    """Add spans up, of one agent or of many.

    Raises:
        BrokenInvariant: a span ends before it begins.
    """
    by_state: dict[AgentState, int] = {}
    for span in spans:
        if span.to_us < span.from_us:
            raise BrokenInvariant(f"an agent was {span.state} from {span.from_us} back to {span.to_us}")
        by_state[span.state] = by_state.get(span.state, 0) + span.to_us - span.from_us
    return StateTimes(by_state=by_state)


def handle_time(counted: Handled, formula_id: str = DEFAULT_HANDLE_TIME) -> Figure:
    """Average handle time.

    Raises:
        NotFound: there is no such formula of handle time.
    """
    return find(HANDLE_TIMES, formula_id).of(counted)


def occupancy(times: StateTimes, formula_id: str = DEFAULT_OCCUPANCY) -> Figure:
    """The share of their time that agents were busy; `part` and `n` are µs.

    Raises:
        NotFound: there is no such formula of occupancy.
    """
    return find(OCCUPANCIES, formula_id).of(times)


_S = AgentState
_BUSY = (_S.TALKING, _S.WRAP_UP)
_READY_TO_WORK = (_S.AVAILABLE, _S.RESERVED, _S.RINGING, _S.TALKING, _S.WRAP_UP)
_VICIDIAL_WRAP_UP_US = 15 * SECOND


def _mean(formula_id: str, says: str, source: str, part: Callable[[Handled], int]) -> Formula[Handled]:
    return Formula(id=formula_id, unit=Unit.SECONDS, says=says, source=source, part=part, n=lambda h: h.contacts)


def _share(formula_id: str, says: str, source: str, whole: tuple[AgentState, ...]) -> Formula[StateTimes]:
    return Formula(
        id=formula_id,
        unit=Unit.RATIO,
        says=says,
        source=source,
        part=lambda times: times.in_states(*_BUSY),
        n=lambda times: times.in_states(*whole),
    )


HANDLE_TIMES: dict[str, Formula[Handled]] = by_id(
    (
        _mean(
            DEFAULT_HANDLE_TIME,
            "(talk + hold + wrap-up) / handled",
            "ours; Amazon Connect says the same",
            lambda h: h.talk_us + h.hold_us + h.wrap_up_us,
        ),
        _mean(
            "aht.genesys/1",
            "(dialling + talk + hold + wrap-up) / handled",
            "Genesys Cloud, which adds dialling and contacting",
            lambda h: h.dial_us + h.talk_us + h.hold_us + h.wrap_up_us,
        ),
        _mean(
            "aht.vicidial_daily/1",
            "(talk + hold) / handled + 15 s",
            "ViciDial's daily report, which assumes the wrap-up",
            lambda h: h.talk_us + h.hold_us + h.contacts * _VICIDIAL_WRAP_UP_US,
        ),
    )
)
"""Every formula of handle time, by its id."""

OCCUPANCIES: dict[str, Formula[StateTimes]] = by_id(
    (
        _share(
            DEFAULT_OCCUPANCY,
            "(talking + wrap-up) / all time that is neither offline nor not-ready",
            "ours; elsewhere in this project it is called utilisation",
            _READY_TO_WORK,
        ),
        _share(
            "occupancy.amazon/1",
            "(talking + wrap-up) / (talking + wrap-up + available)",
            "Amazon Connect, contact / (contact + idle); Genesys Cloud says the same of agents without other calls",
            (*_BUSY, _S.AVAILABLE),
        ),
        _share(
            "occupancy.cms/1",
            "(talking + wrap-up) / all time that is not offline",
            "AT&T/Avaya CMS of old, % ACD time of staffed time",
            (*_READY_TO_WORK, _S.NOT_READY),
        ),
    )
)
"""Every formula of occupancy, by its id."""
