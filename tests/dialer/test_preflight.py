"""The linter of campaigns: each finding has its cause, and a sound campaign has none but advice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.dialer.law import HoursRule
from engine.dialer.preflight import Level, Means, forecast, look
from engine.domain.campaign import Budget, CampaignId, CampaignPolicy, Mode, TrunkId, Window
from engine.domain.flow import OpenSpan
from engine.domain.policy import TrunkPolicy
from engine.domain.values import Prompt, QueueId

DAYTIME = HoursRule(id="calling-hours")
EARLY = HoursRule(id="ours", spans=(OpenSpan(weekdays=(6,), start=420, end=1200),))
SOUND = CampaignPolicy(
    id=CampaignId("autumn"),
    name="Autumn",
    queue_id=QueueId("sales"),
    seller="Acme",
    caller_id="+442079460000",
    trunks=(TrunkId("a"), TrunkId("b")),
    forecast_answers=2000,
)
MEANS = Means(
    queue_known=True,
    trunks={"a": TrunkPolicy(id="a", host="x"), "b": TrunkPolicy(id="b", host="y")},
    agents=10,
    nailed_up=10,
    signed_in=10,
    waiting=5000,
    answer_rate=0.3,
    handle_s=150.0,
    callable_back=True,
    hours=(EARLY, DAYTIME),
)


def codes(policy: CampaignPolicy, means: Means, level: Level | None = None) -> list[str]:
    return [each.code for each in look(policy, means) if level in (None, each.level)]


def with_(value: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(value, **changes)


def test_a_sound_campaign_gets_advice_only() -> None:
    [gain] = look(SOUND, MEANS)
    assert (gain.level, gain.code) == (Level.ADVICE, "gain")
    assert "at 10 agents and an answer rate of 30%" in gain.what


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ring_s": 14.0}, "ring-time"),
        ({"connect_limit_s": 3.0}, "connect-limit"),
        ({"budgets": (Budget(cap=0.05),)}, "cap"),
        ({"message": Prompt()}, "no-message"),
        ({"trunks": ()}, "no-trunk"),
        ({"trunks": (TrunkId("a"), TrunkId("gone"))}, "trunk-unknown"),
        ({"caller_id": ""}, "no-caller-id"),
    ],
)
def test_errors_of_the_policy(changes: dict[str, Any], code: str) -> None:
    found = look(with_(SOUND, **changes), MEANS)
    assert [each.code for each in found if each.level is Level.ERROR] == [code]
    assert found[0].level is Level.ERROR
    assert found[0].mend


def test_canada_bears_five_percent_a_month() -> None:
    assert "cap" not in codes(with_(SOUND, budgets=(Budget(window=Window.CALENDAR_MONTH, cap=0.05),)), MEANS)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"callable_back": False}, "caller-id"),
        ({"waiting": 0}, "no-leads"),
        ({"agents": 0, "nailed_up": 0, "signed_in": 0}, "no-agents"),
        ({"nailed_up": 0, "signed_in": 0}, "not-nailed-up"),
        ({"signed_in": 0}, "nobody-signed-in"),
        ({"answer_rate": 0.1}, "answer-rate"),
        ({"hours": (EARLY,)}, "hours"),
        (
            {"trunks": {"a": TrunkPolicy(id="a", host="x", lines=5), "b": TrunkPolicy(id="b", host="y", lines=5)}},
            "lines",
        ),
        (
            {
                "trunks": {
                    "a": TrunkPolicy(id="a", host="x", calls_per_second=0.1),
                    "b": TrunkPolicy(id="b", host="y", calls_per_second=0.1),
                }
            },
            "calls-per-second",
        ),
    ],
)
def test_warnings(changes: dict[str, Any], code: str) -> None:
    assert codes(SOUND, with_(MEANS, **changes), Level.WARNING) == [code]


def test_a_queue_that_is_gone_is_an_error() -> None:
    assert codes(SOUND, with_(MEANS, queue_known=False), Level.ERROR) == ["queue-unknown"]


def test_one_unlimited_trunk_is_enough() -> None:
    trunks = {"a": TrunkPolicy(id="a", host="x", lines=5), "b": TrunkPolicy(id="b", host="y")}
    assert "lines" not in codes(SOUND, with_(MEANS, trunks=trunks))
    assert "lines" in codes(with_(SOUND, lines=5), with_(MEANS, trunks=trunks))


def test_small_teams_are_told_what_predictive_gains() -> None:
    four = with_(MEANS, signed_in=4)
    [gain] = [each for each in look(SOUND, four) if each.code == "gain"]
    assert gain.what.startswith("at 4 agents and an answer rate of 30% predictive gains up to ")
    alone = look(SOUND, with_(MEANS, signed_in=1))
    assert "--mode progressive" in alone[-1].mend
    assert "at 1 agent and" in alone[-1].what


def test_what_was_not_seen_is_said_to_be_assumed() -> None:
    hoped = forecast(SOUND, with_(MEANS, answer_rate=None, handle_s=None))
    assert hoped is not None
    assert hoped.assumed == ("answer rate", "handling time")
    assert hoped.progressive < hoped.predictive < 1.0
    assert forecast(SOUND, with_(MEANS, nailed_up=0, signed_in=0)) is None


def test_agentless_needs_no_agents() -> None:
    agentless = with_(SOUND, mode=Mode.AGENTLESS)
    assert codes(agentless, with_(MEANS, agents=0, nailed_up=0, signed_in=0)) == []
