"""The scenario file: read as the documentation shows it, and refused with the key's path where it does not fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import ConfigError, NotFound
from engine.simulation.distributions import Lognormal, Mixture, Uniform
from engine.simulation.scenario import Inbound, load, parse

SHIPPED = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))
DRIFT = """
name = "drift-30"
hours = 8.5
warmup_minutes = 30
[agents]
count = [[0, 30]]                 # [[minute, logged-in agents], ...] steps
[calls]
answer_rate = [[0, 0.30]]
machine_rate = 0.2
machine_s = {dist = "uniform", low = 18, high = 24}
amd = {false_positive = 0.0, false_negative = 0.0, seconds = 0.0}
fast_fail_rate = 0.1
ring_s = {dist = "lognormal", mean = 11, sd = 5, max = 25}
no_answer_s = 25
talk_s = {dist = "lognormal", mean = 120, sd = 120}
wrap_s = {dist = "lognormal", mean = 20, sd = 8}
[limits]
lines = 0
calls_per_second = 0
abandon_cap = 0.03
connect_deadline_s = 2.0
[inbound]
erlangs = 0.0
talk_s = {dist = "exponential", mean = 180}
bursts = []
service_level = [0.8, 20]
[carrier]
stalls = []
event_loss = 0.0
"""


def test_the_documented_example_is_read() -> None:
    scenario = parse(DRIFT)
    assert (scenario.name, scenario.hours, scenario.warmup_minutes) == ("drift-30", 8.5, 30)
    assert list(scenario.agents.count) == [(0, 30)]
    (campaign,) = scenario.campaigns
    assert campaign.name == "drift-30"
    assert campaign.prior_answer_rate == 0.3
    drawn = campaign.calls.machine_s, campaign.calls.ring_s
    assert drawn == (Uniform(low=18, high=24), Lognormal(mean=11, sd=5, max=25))
    assert scenario.inbound == Inbound()


@pytest.mark.parametrize("text", [DRIFT + "prior_answer_rate = 0.1", "prior_answer_rate = 0.1\n" + DRIFT])
def test_the_prior_may_stand_at_the_end_or_at_the_top(text: str) -> None:
    assert parse(text).campaigns[0].prior_answer_rate == 0.1


def test_campaigns_take_over_what_they_do_not_say_themselves() -> None:
    text = DRIFT + '\n[[campaigns]]\nname = "a"\nanswer_rate = [[0, 0.1]]\n[[campaigns]]\nprior_answer_rate = 0.5\n'
    first, second = parse(text).campaigns
    assert (first.name, first.calls.answer_rate, first.prior_answer_rate) == ("a", ((0, 0.1),), 0.1)
    assert (second.name, second.calls.answer_rate, second.prior_answer_rate) == ("drift-30-2", ((0, 0.3),), 0.5)
    assert first.calls.talk_s == second.calls.talk_s


def test_a_mixture_needs_no_other_name() -> None:
    mixture = '{mixture = [[0.7, {dist = "constant", value = 20}], [0.3, {dist = "exponential", mean = 400}]]}'
    text = DRIFT.replace('talk_s = {dist = "lognormal", mean = 120, sd = 120}', f"talk_s = {mixture}")
    talk = parse(text).campaigns[0].calls.talk_s
    assert isinstance(talk, Mixture)
    assert talk.average() == pytest.approx(0.7 * 20 + 0.3 * 400)


@pytest.mark.parametrize(
    ("old", "new", "path", "mend"),
    [
        ("fast_fail_rate", "fast_fial_rate", "calls.fast_fial_rate", "fast_fail_rate"),
        ("[carrier]", "[carier]", "carier", "carrier"),
        ("low = 18", "lo = 18", "calls.machine_s.lo", "low"),
        ('"uniform"', '"unform"', "calls.machine_s.dist", "lognormal, exponential, constant, uniform"),
        ("hours = 8.5", 'hours = "long"', "hours", ""),
        ("hours = 8.5", "hours = 25", "hours", ""),
        ("wrap_s =", "# wrap_s =", "calls.wrap_s", "Add it"),
        ("[[0, 0.30]]", "[[0, 0.90]]", "calls.answer_rate", ""),
        ("[[0, 0.30]]", "[[10, 0.30]]", "calls.answer_rate", ""),
        ("[[0, 30]]", "[[0, 30], [0, 40]]", "agents.count", ""),
        ("[[0, 30]]", "[[0, 0]]", "agents.count", ""),
        ("[[0, 30]]", "[[0, 3.5]]", "agents.count[0][1]", ""),
        ("warmup_minutes = 30", "warmup_minutes = 600", "warmup_minutes", ""),
        ("mean = 120", "mean = 0", "calls.talk_s", ""),
        ("low = 18, high = 24", "low = 24, high = 18", "calls.machine_s", ""),
        ("abandon_cap = 0.03", "abandon_cap = 3", "limits.abandon_cap", ""),
        ("connect_deadline_s = 2.0", "connect_deadline_s = 0", "limits.connect_deadline_s", ""),
        ("event_loss = 0.0", "event_loss = 1.0", "carrier.event_loss", ""),
        ("stalls = []", "stalls = [[5, 0]]", "carrier.stalls", ""),
        ("erlangs = 0.0", "erlangs = -1", "inbound.erlangs", ""),
        ("[0.8, 20]", "[80, 20]", "inbound.service_level", ""),
        ("false_positive = 0.0", "false_positive = 5", "calls.amd.false_positive", ""),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(old: str, new: str, path: str, mend: str) -> None:
    assert old in DRIFT
    with pytest.raises(ConfigError) as refused:
        parse(DRIFT.replace(old, new), "day.toml")
    assert refused.value.where == f"day.toml: {path}"
    assert refused.value.mend
    assert mend in refused.value.mend


@pytest.mark.parametrize(
    "text", ["name = ", "[calls", DRIFT + "\n[[campaigns]]\nanswer_rte = 1", "campaigns = 3\n" + DRIFT]
)
def test_broken_files_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load(tmp_path / "no.toml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_scenarios_are_read(path: Path) -> None:
    assert load(path).name == path.stem


def test_sixteen_are_shipped() -> None:
    assert {re.match(r"s(\d\d)-", path.name)[1] for path in SHIPPED} == {f"{n:02}" for n in range(1, 17)}  # type: ignore[index]
