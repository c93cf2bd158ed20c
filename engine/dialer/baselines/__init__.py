"""How other diallers pace, re-implemented from their described rules: the simulator's yardstick, never dialled with.

Each module names its source and says the rule in own words. Every baseline is one plain struct that holds its settings
and all it has learnt; it keeps its own loop's time by the instants it is asked at, and throws no dice. They have no
governor: what a rule abandons is what its users would see.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.dialer.baselines.erlang import ErlangB
from engine.dialer.baselines.impact import Impact
from engine.dialer.baselines.issabel import Issabel
from engine.dialer.baselines.omnileads import OMniLeads
from engine.dialer.baselines.per_agent import Progressive, Ratio
from engine.dialer.baselines.vicidial import Method, ViciDial
from engine.dialer.pacing import Pacing

BASELINES: dict[str, Callable[..., Pacing]] = {
    "progressive": Progressive,
    "ratio": Ratio,
    "vicidial-hard": partial(ViciDial, method=Method.HARD),
    "vicidial-average": partial(ViciDial, method=Method.AVERAGE),
    "vicidial-tapered": partial(ViciDial, method=Method.TAPERED),
    "omnileads": OMniLeads,
    "issabel": Issabel,
    "issabel-overcommit": partial(Issabel, overcommit=True),
    "impact": Impact,
    "erlang-b": ErlangB,
}
"""Call with a `CampaignPolicy` and, by name, settings such as those of `SETTINGS`; without: the documented defaults."""


def _each(name: str, *values: float) -> tuple[dict[str, float], ...]:
    return tuple({name: value} for value in values)


_LEVELS = _each("maximum_level", 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 1.75, 2.0, 2.5, 4.0)
_LIMITS = _each("limit", 0.005, 0.01, 0.015, 0.02, 0.025, 0.04)

SETTINGS: dict[str, tuple[dict[str, float], ...]] = {
    "progressive": (),
    "ratio": _each("lines_per_agent", 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0),
    "vicidial-hard": _LEVELS + _each("dropped_percentage", 1.0, 2.0, 2.5),
    "vicidial-average": _LEVELS + _each("dropped_percentage", 1.0, 2.0, 2.5),
    "vicidial-tapered": _LEVELS + _each("dropped_percentage", 1.0, 2.0, 2.5),
    "omnileads": _each("boost", 0.3, 0.5, 0.7, 0.85, 1.25) + _each("limit", 0.005, 0.01, 0.02),
    "issabel": _each("extra", 1.0, 2.0, 3.0) + _each("quality", 0.5, 0.8, 0.9) + _each("wrap_up_shows", 0.0),
    "issabel-overcommit": _each("quality", 0.9, 0.999) + _each("wrap_up_shows", 0.0),
    "impact": _LIMITS + _each("most", 1.5, 2.0, 3.0, 4.0) + _each("window_moves", 0.0),
    "erlang-b": _LIMITS,
}
"""What to try besides the defaults: the best of them in hindsight is what a patient expert might reach."""
