"""`campaign check`: facts before beliefs, hours that no law bears, forecasts that cannot come true."""

from __future__ import annotations

from typing import Any

import pytest

from engine.dialer.law import US_RULES, HoursRule, Rules
from engine.dialer.preflight import Finding, Level, Means
from engine.domain.campaign import Budget, CampaignId, CampaignPolicy, Mode, Tally, TrunkId, Window
from engine.domain.policy import TrunkPolicy
from engine.domain.values import QueueId
from engine.flows.hours import parse_span
from engine.main import campaign_check
from engine.main.campaign_check import Seen
from engine.store.campaigns import CampaignTerms

NOON = 1_795_003_200_000_000
"""Wednesday, 2026-11-18, 12:00 UTC."""
TRUNK = TrunkPolicy(id=TrunkId("a"), host="sip.example.com", lines=30, calls_per_second=5.0)
SCHEDULE = parse_span("mon-fri 9:00-17:00")


def policy(**more: Any) -> CampaignPolicy:
    """A campaign that could be started."""
    fields: dict[str, Any] = {"caller_id": "+442079460000", "trunks": (TrunkId("a"),), "seller": "Acme", **more}
    return CampaignPolicy(id=CampaignId("autumn"), name="Autumn", queue_id=QueueId("sales"), **fields)


def means(**more: Any) -> Means:
    """Six agents at work and a list."""
    fields: dict[str, Any] = {
        "queue_known": True,
        "trunks": {"a": TRUNK},
        "agents": 6,
        "nailed_up": 6,
        "signed_in": 6,
        "waiting": 5_000,
        "answer_rate": None,
        "handle_s": None,
        "callable_back": True,
        "hours": US_RULES.hours,
    }
    return Means(**fields | more)


def found(
    campaign: CampaignPolicy | None = None,
    terms: CampaignTerms | None = None,
    *,
    seen: tuple[int, int] = (0, 0),
    tally: tuple[int, int, int] = (0, 0, 0),
    now: int = NOON,
    **more: Any,
) -> dict[str, Finding]:
    """The findings by code. `seen`: attempts, answers; `tally`: answers, drops, forecast of every budget."""
    chosen = campaign or policy()
    answers, drops, forecast = tally
    tallies = tuple(
        Tally(window=each.window, answers=answers, drops=drops, forecast=forecast) for each in chosen.budgets
    )
    known = Seen(*seen, tallies)
    with_facts = campaign_check.with_facts(means(**more), known)
    told = campaign_check.look(chosen, terms or CampaignTerms(), with_facts, known, now)
    assert len({each.code for each in told}) == len(told)
    return {each.code: each for each in told}


# --- at this moment --------------------------------------------------------------------------------------------------


def test_who_is_asleep_is_said_with_when_he_may_be_called() -> None:
    shanghai = CampaignTerms(timezone="Asia/Shanghai")
    assert "closed-now" not in found(terms=shanghai)  # 20:00 there
    assert found(terms=shanghai, now=NOON + 3_600 * 1_000_000)["closed-now"].what == (
        "it is Wed 21:00 in Asia/Shanghai: people there may be called from Thu 08:00 on"
    )
    assert "closed-now" not in found(now=0), "nobody knows where its people are"


@pytest.mark.parametrize(("blind", "told"), [(True, True), (False, False), (None, False)])
def test_an_engine_that_does_not_see_asterisk_says_so(blind: bool | None, told: bool) -> None:
    assert ("no-asterisk" in found(blind=blind)) is told


def test_a_cap_of_nothing_is_said_to_be_one() -> None:
    nobody = (Budget(window=Window.DAY, cap=0.0),)
    assert "never more calls than free agents" in found(policy(mode=Mode.PREDICTIVE, budgets=nobody))["cap-zero"].what
    assert "cap-zero" not in found(policy(mode=Mode.PROGRESSIVE, budgets=nobody))


# --- facts before beliefs --------------------------------------------------------------------------------------------


def test_what_was_measured_is_used_and_said() -> None:
    basis = found(seen=(60, 12), handle_s=140.0)["basis"].what
    assert basis == (
        "reckoned with 6 agents (signed in), 20% answered (measured: 12 of 60 attempts), 140 s of talk and wrap-up"
        " (measured over the latest talks)"
    )
    assert "an answer rate of 20% (assumed: handling time)" in found(seen=(60, 12))["gain"].what


def test_what_was_not_measured_yet_is_said_to_be_assumed() -> None:
    basis = found(seen=(49, 12), signed_in=None)["basis"].what
    assert (
        "6 agents (with nailed-up legs, whether signed in or not), 30% answered (assumed, from --answer-rate: 49"
        in basis
    )
    assert "150 s of talk and wrap-up (assumed: fewer than 30 talks yet)" in basis
    assert "basis" not in found(nailed_up=0, signed_in=0)
    assert found(signed_in=1)["basis"].what.startswith("reckoned with 1 agent (signed in)")


def test_nobody_answering_is_no_answer_rate_to_reckon_with() -> None:
    told = found(seen=(80, 0))
    assert told["nobody-answers"].level is Level.WARNING
    assert "80 attempts ended" in told["nobody-answers"].what
    assert "30% answered (assumed, from --answer-rate: nobody answered yet)" in told["basis"].what
    assert "nobody-answers" not in found(seen=(49, 0))


# --- the budget ------------------------------------------------------------------------------------------------------


def test_without_schedule_and_forecast_both_ways_are_named() -> None:
    nothing = found()["no-forecast"]
    assert "one abandoned call needs 157 live answers as proof of 3.0%, and 0 can be counted on now" in nothing.what
    assert "--schedule 'mon-fri 9-17'`: used after 30 scheduled minutes and 50 attempts" in nothing.mend
    assert "--forecast-answers N" in nothing.mend


def test_a_schedule_needs_nothing_but_time() -> None:
    waits = found(terms=CampaignTerms(schedule=SCHEDULE))["no-forecast"]
    assert waits.mend.startswith("nothing to do: its --schedule is used after 30 scheduled minutes")


def test_what_the_budget_counts_on_is_told() -> None:
    told = found(terms=CampaignTerms(schedule=SCHEDULE), tally=(200, 2, 500))
    assert "no-forecast" not in told
    assert told["budget"].what == (
        "budget rolling-30-days: 2 abandoned of 10 that 600 live answers bear (200 so far, and 80 % of 500 still"
        " expected, by --schedule and the list)"
    )
    assert "budget" not in found(policy(mode=Mode.PROGRESSIVE), tally=(200, 2, 500))


# --- hours -----------------------------------------------------------------------------------------------------------


def at(*texts: str) -> CampaignTerms:
    """Terms with hours of the campaign's own beside the legal ones."""
    spans = tuple(span for text in texts for span in parse_span(text))
    own = HoursRule(id="campaign-hours", source="ours", spans=spans)
    return CampaignTerms(rules=Rules(hours=(*US_RULES.hours, own)))


def test_hours_at_night_forbid_the_start() -> None:
    night = found(terms=at("mon-fri 22:00-06:00"))["no-hours"]
    assert night.level is Level.ERROR
    assert "16 CFR 310.4(c)" in night.what


def test_hours_beyond_the_law_are_warned_of() -> None:
    told = found(terms=at("mon-fri 18:00-22:00"))
    assert told["hours-in-vain"].level is Level.WARNING
    assert "nobody is called Mon-Fri 21:00-22:00" in told["hours-in-vain"].what
    assert not found(terms=at("mon-fri 9:00-20:00")).keys() & {"hours-in-vain", "no-hours"}


# --- a forecast that cannot come true --------------------------------------------------------------------------------


def test_more_answers_than_people_are_not_believed() -> None:
    told = found(policy(forecast_answers=1_000_000_000), seen=(60, 12), waiting=300)["forecast-too-high"]
    assert told.level is Level.WARNING
    assert "hardly more than 312 can come (12 have answered and 300 leads wait)" in told.what
    assert "--forecast-answers 312" in told.mend


@pytest.mark.parametrize(
    ("more", "tightest"),
    [
        ({}, "6 agents can do"),
        ({"trunks": {"a": TrunkPolicy(id=TrunkId("a"), host="h", lines=3, calls_per_second=5.0)}}, "3 lines can do"),
        (
            {"trunks": {"a": TrunkPolicy(id=TrunkId("a"), host="h", lines=300, calls_per_second=0.01)}},
            "0.01 calls per second can do",
        ),
    ],
)
def test_more_answers_than_agents_and_lines_can_do_are_not_believed(more: dict[str, Any], tightest: str) -> None:
    day = policy(forecast_answers=5_000, budgets=(Budget(window=Window.DAY),))
    told = found(day, CampaignTerms(schedule=SCHEDULE), waiting=1_000_000, **more)["forecast-too-high"].what
    assert tightest in told
    assert "8 hours in 24-hours" in told


def test_a_likely_forecast_is_believed() -> None:
    terms = CampaignTerms(schedule=SCHEDULE)
    assert "forecast-too-high" not in found(policy(forecast_answers=900), terms)
    assert "forecast-too-high" not in found(policy(forecast_answers=0), terms)
    run = policy(forecast_answers=4_000, budgets=(Budget(window=Window.RUN),))
    assert "forecast-too-high" not in found(run, terms)
