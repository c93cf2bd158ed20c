"""Service level, abandonment and speed of answer, by our own formulas and by those of the peers.

All are quotients of the same `Tally`, so each can be recomputed from the raw visits at any time. docs/kpis.md has the
definitions in prose. Names of `visits` and `figures` can be had from here as well.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.acd.figures import Figure, Formula, Unit, by_id, find
from engine.acd.visits import QueueVisit, Tally, tally

__all__ = [
    "DEFAULT_ABANDONMENT",
    "DEFAULT_SERVICE_LEVEL",
    "DEFAULT_SPEED_OF_ANSWER",
    "FORMULAS",
    "Figure",
    "Formula",
    "QueueVisit",
    "Tally",
    "Unit",
    "figure",
    "tally",
]

DEFAULT_SERVICE_LEVEL = "sl.callwright/1"
DEFAULT_ABANDONMENT = "abandon.callwright/1"
DEFAULT_SPEED_OF_ANSWER = "asa.callwright/1"

Count = Callable[[Tally], int]


def figure(formula_id: str, counted: Tally) -> Figure:
    """One figure of these visits.

    Raises:
        NotFound: there is no formula of that id.
    """
    return find(FORMULAS, formula_id).of(counted)


def _ratio(formula_id: str, says: str, source: str, part: Count, n: Count) -> Formula[Tally]:
    return Formula(id=formula_id, unit=Unit.RATIO, says=says, source=source, part=part, n=n)


def _answered_in_time(t: Tally) -> int:
    return t.answered_in_time


_SERVICE_LEVELS = (
    _ratio(
        DEFAULT_SERVICE_LEVEL,
        "answered in time / (offered - short abandons - call backs kept)",
        "ours",
        _answered_in_time,
        lambda t: t.owed,
    ),
    _ratio(
        "sl.app_queue/1",
        "answered in time / answered",
        "Asterisk apps/app_queue.c, ServicelevelPerf (hence OMniLeads)",
        _answered_in_time,
        lambda t: t.answered,
    ),
    _ratio(
        # record_abandoned() also runs on a timeout and an emptied queue, but not when the caller leaves by a key
        "sl.app_queue2/1",
        "(answered + abandoned + overflowed, all in time) / (answered + abandoned + overflowed)",
        "Asterisk apps/app_queue.c, ServicelevelPerf2 and record_abandoned()",
        lambda t: t.answered_in_time + t.hung_up_in_time + t.overflowed_in_time,
        lambda t: t.answered + t.hung_up + t.overflowed,
    ),
    _ratio(
        "sl.vicidial/1",
        "answered in time / answered",
        "ViciDial AST_timeonVDADall.php, TMA",
        _answered_in_time,
        lambda t: t.answered,
    ),
    _ratio(
        "sl.wazo/1",
        "answered before the limit / answered",
        "Wazo support_center/api.yml, quality_of_service",
        lambda t: t.answered_before_limit,
        lambda t: t.answered,
    ),
    _ratio(
        "sl.cms/1",
        "answered in time / answered",
        "AT&T/Avaya CMS of old: abandoned calls are not counted",
        _answered_in_time,
        lambda t: t.answered,
    ),
    _ratio(
        "sl.amazon/1",
        "(answered + abandoned + left for a call back, all in time) / offered",
        "Amazon Connect metric definitions: removed from queue / queued",
        lambda t: t.answered_in_time + t.hung_up_in_time + t.callback_in_time,
        lambda t: t.offered,
    ),
    _ratio(
        "sl.genesys/1",
        "answered in time / (answered + abandoned)",
        "Genesys Cloud, all abandons counted",
        _answered_in_time,
        lambda t: t.answered + t.hung_up,
    ),
    _ratio(
        "sl.genesys_without_short/1",
        "answered in time / (answered + abandoned - short abandons)",
        "Genesys Cloud, short abandons excluded",
        _answered_in_time,
        lambda t: t.answered + t.hung_up - t.abandoned_short,
    ),
    _ratio(
        "sl.genesys_with_flow_outs/1",
        "answered in time / offered",
        "Genesys Cloud, flow-outs and all abandons counted",
        _answered_in_time,
        lambda t: t.offered,
    ),
    _ratio(
        "sl.vonage/1",
        "answered in time / (answered + abandoned + left the queue otherwise)",
        "Vonage Contact Center, its short-abandon setting off",
        _answered_in_time,
        lambda t: t.offered,
    ),
    _ratio(
        "sl.talkdesk/1",
        "answered in time / (offered - short abandons)",
        "Talkdesk",
        _answered_in_time,
        lambda t: t.offered - t.abandoned_short,
    ),
    _ratio(
        "sl.xcally/1",
        "answered in time / (answered + abandoned after the limit)",
        "XCALLY",
        _answered_in_time,
        lambda t: t.answered + t.hung_up - t.hung_up_in_time,
    ),
)

_ABANDONMENTS = (
    _ratio(
        DEFAULT_ABANDONMENT,
        "(abandoned - short abandons) / (offered - short abandons - call backs kept)",
        "ours: the same whole as sl.callwright/1",
        lambda t: t.abandoned - t.abandoned_short,
        lambda t: t.owed,
    ),
    _ratio(
        "abandon.app_queue/1",
        "(abandoned + overflowed) / (answered + abandoned + overflowed)",
        "Asterisk apps/app_queue.c, the counters Abandoned and Completed",
        lambda t: t.hung_up + t.overflowed,
        lambda t: t.answered + t.hung_up + t.overflowed,
    ),
    _ratio(
        "abandon.vicidial/1",
        "abandoned / offered",
        "ViciDial, term reason ABANDON; Amazon Connect and Genesys Cloud say the same",
        lambda t: t.hung_up,
        lambda t: t.offered,
    ),
    _ratio(
        "abandon.google/1",
        "(abandoned - short abandons) / (answered + abandoned - short abandons)",
        "Google CCAI Platform",
        lambda t: t.hung_up - t.abandoned_short,
        lambda t: t.answered + t.hung_up - t.abandoned_short,
    ),
)

_SPEEDS_OF_ANSWER = (
    Formula[Tally](
        id=DEFAULT_SPEED_OF_ANSWER,
        unit=Unit.SECONDS,
        says="waiting of the answered / answered",
        source="ours; ViciDial AVG ANSWER SPEED and Amazon Connect average queue answer time say the same",
        part=lambda t: t.answer_wait_us,
        n=lambda t: t.answered,
    ),
    Formula[Tally](
        id="asa.cisco/1",
        unit=Unit.SECONDS,
        says="waiting of the answered / offered",
        source="Cisco ICR",
        part=lambda t: t.answer_wait_us,
        n=lambda t: t.offered,
    ),
)

FORMULAS: dict[str, Formula[Tally]] = by_id((*_SERVICE_LEVELS, *_ABANDONMENTS, *_SPEEDS_OF_ANSWER))
"""Every formula over queue visits, by its id."""
