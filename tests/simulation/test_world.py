"""The world around the floor: what it plays is lawful, repeatable, alike under each pacing, and counted truly."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.simulation.pacings import rule
from engine.simulation.result import result
from engine.simulation.run import floor_for, simulate
from engine.simulation.scenario import Scenario
from engine.simulation.series import MINUTE, area
from engine.simulation.world import FIRST_DAY
from tests.simulation.studio import Played, play, scenario


def outcomes(played: Played) -> list[Outcome]:
    return [event.outcome for event in played.heard(e.AttemptEnded)]


def utilisation(played: Played) -> float:
    told = result(played.world.tally, scenario="", pacing="", seed=0, wall_s=0).agent_utilisation
    assert told is not None
    return told


# --- what is known without simulating ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_progressive_comes_to_what_the_formula_says(rate: float) -> None:
    """Pacing.md section 5, formula (ii): u = S / (S + R + (1 - p) / p * R_failed)."""
    whole = scenario(hours=4, warmup=30, count="[[0, 30]]", rate=rate, machines=0.25 * (1 - rate))
    failed_s = 0.08 * 3 + 0.25 * 21 + 0.67 * 25
    exact = 140 / (140 + 11 + (1 - rate) / rate * failed_s)
    told = simulate(whole, "progressive")
    assert told.agent_utilisation == pytest.approx(exact, abs=0.015)
    assert told.abandoned == 0
    assert told.live_answers is not None
    assert told.attempts is not None
    assert told.live_answers / told.attempts == pytest.approx(rate, abs=0.02)


# --- repeatable -------------------------------------------------------------------------------------------------------


def test_the_same_seed_tells_the_same_facts() -> None:
    whole = scenario()
    assert play(whole, seed=5).told == play(whole, seed=5).told
    assert play(whole, seed=5).told != play(whole, seed=6).told


@pytest.mark.parametrize("pacing", ["predictive", "ratio"])
def test_its_facts_replayed_cause_the_same_commands(pacing: str) -> None:
    """The floor of a simulation is the floor of a replay, to the byte of its snapshot."""
    whole = scenario(hours=0.5, warmup=5, more="[carrier]\nevent_loss = 0.02")
    played = play(whole, pacing)
    again = floor_for(rule(pacing))
    commands = [again.handle(fact, FIRST_DAY + round(at * 1_000_000)) for at, fact in played.told]
    assert commands == played.core.commands
    assert again.snapshot() == played.core.floor.snapshot()


def test_attempt_number_k_meets_the_same_person_under_each_pacing() -> None:
    whole = scenario()

    def fates(pacing: str) -> dict[str, int]:
        rings: dict[str, int] = {}
        for event in play(whole, pacing).heard(e.AttemptEnded):
            if event.answered_at:
                rings[event.attempt_id] = event.answered_at - event.dialled_at
        return rings

    one, other = fates("progressive"), fates("ratio")
    both = set(one) & set(other)
    assert len(both) > 50
    assert {key: one[key] for key in both} == {key: other[key] for key in both}


def test_facts_of_one_instant_are_decided_together() -> None:
    """Once, and again only where the decision itself dialled, or asked the store for something that came at once."""
    played = play(scenario(hours=0.5, warmup=5))
    decided = [at for at, _ in played.facts(f.TimePassed)]
    asked = [at for at, fact in played.told if isinstance(fact, f.BookRead | f.LeadsClaimed)]
    dialled = {event.at for event in played.heard(e.AttemptBegun)}
    assert len(decided) - len(set(decided)) <= len(asked) + len(dialled)
    ends = {at for at, _ in played.facts(f.LegEnded)}
    assert len(ends - set(decided)) <= len(ends) // 50  # such as those of the day's end


# --- lawful -----------------------------------------------------------------------------------------------------------


def test_nobody_waits_in_silence() -> None:
    """Whoever answers is joined, or hears the message 1.8 s later."""
    played = play(scenario(), "issabel-overcommit")
    end: dict[str, float] = {}
    for at, fact in played.told:
        if isinstance(fact, f.AttemptAnswered):
            end[fact.attempt_id] = at
        elif isinstance(fact, f.LegJoined | f.LegEnded) and fact.leg in end:
            assert at - end.pop(fact.leg) <= 1.8
        elif isinstance(fact, f.MessageStarted):
            assert at - end.pop(fact.attempt_id) == pytest.approx(1.8)
    assert played.world.tally.abandoned > 10


def test_the_floor_counts_what_really_happened() -> None:
    played = play(scenario(), "issabel-overcommit")
    counted = outcomes(played)
    tally = played.world.tally
    assert counted.count(Outcome.ABANDONED) == tally.abandoned
    assert tally.live - sum(outcome.live_answer for outcome in counted) in range(-3, 4)  # who talked at the end
    assert counted.count(Outcome.MACHINE) == tally.machines


@pytest.mark.parametrize("deadline_s", [1.0, 2.0])
def test_the_message_begins_before_the_limit(deadline_s: float) -> None:
    more = f"[limits]\nconnect_deadline_s = {deadline_s}"
    played = play(scenario(more=more), "issabel-overcommit")
    answered = {fact.attempt_id: at for at, fact in played.facts(f.AttemptAnswered)}
    waits = {round(at - answered[fact.attempt_id], 6) for at, fact in played.facts(f.MessageStarted)}
    assert waits == {min(1.8, deadline_s - 0.2)}


def test_lines_and_calls_per_second_are_kept() -> None:
    whole = scenario(rate=0.2, more="[limits]\nlines = 12\ncalls_per_second = 0.5")
    played = play(whole, "issabel-overcommit")
    lines, most, dialled = 0, 0, []
    for (at, fact), commands in zip(played.told, played.core.commands, strict=True):
        lines -= isinstance(fact, f.LegEnded) and not fact.leg.startswith("agent")
        for command in commands:
            if isinstance(command, c.Dial):
                lines += 1
                dialled.append(at)
        most = max(most, lines)
    assert most <= 12
    assert all(sum(1 for at in dialled if begin <= at < begin + 60) <= 32 for begin in range(0, 3600, 10))


# --- agents -----------------------------------------------------------------------------------------------------------


def test_agents_come_and_go_by_the_schedule() -> None:
    steps = ((0, 4), (20, 12), (40.5, 6))
    played = play(scenario(count="[[0, 4], [20, 12], [40.5, 6]]"), "progressive")
    staffed_s = played.world.tally.staffed_us / 1_000_000
    planned_s = area(steps, 10 * MINUTE, 60 * MINUTE)
    assert planned_s <= staffed_s <= planned_s + 6 * 300  # who talks stays until he is done
    at_work = {agent.profile.id for agent in played.core.floor.state.agents.values() if agent.leg is not None}
    assert not at_work
    assert {event.new for event in played.heard(e.AgentMoved)} >= {AgentState.OFFLINE, AgentState.WRAP_UP}


def test_who_is_called_back_before_he_could_leave_stays() -> None:
    played = play(scenario(count="[[0, 10], [30, 0], [30.05, 10]]"))
    assert played.facts(f.AgentReadied)
    assert len(played.facts(f.AgentSignedIn)) < 20


def test_the_warm_up_counts_for_answers_and_not_for_utilisation() -> None:
    tally = play(scenario(warmup=50)).world.tally
    assert tally.staffed_us == 10 * 600 * 1_000_000
    assert tally.live > 2 * tally.connected


def test_no_agent_works_more_than_all_the_time() -> None:
    assert 0.5 < utilisation(play(scenario(), "issabel-overcommit")) <= 1


# --- machines ---------------------------------------------------------------------------------------------------------


def test_a_person_taken_for_a_machine_and_dropped_is_abandoned() -> None:
    played = play(scenario(false_positive=0.2), "progressive")
    tally = played.world.tally
    assert tally.abandoned / tally.live == pytest.approx(0.2, abs=0.08)
    assert Outcome.ABANDONED not in outcomes(played)  # the ledger cannot know


def test_machines_that_are_noticed_late_take_agents_time_that_is_no_work() -> None:
    slow = scenario(rate=0.2, machines=0.45, amd_s=2.5)
    quick = scenario(rate=0.2, machines=0.45)
    late, at_once = play(slow, "progressive"), play(quick, "progressive")
    assert utilisation(late) < utilisation(at_once)
    joined = {fact.attempt_id for _, fact in late.facts(f.MachineDetected)}
    assert joined & {str(fact.leg) for _, fact in late.facts(f.LegJoined)}


def test_an_agent_hangs_up_on_a_machine_that_nobody_recognised() -> None:
    played = play(scenario(rate=0.2, machines=0.4, false_negative=1.0, amd_s=2.0), "progressive")
    joined = {str(fact.leg): at for at, fact in played.facts(f.LegJoined)}
    by_agent = [(at, fact) for at, fact in played.facts(f.MachineDetected) if fact.by == "agent"]
    assert len(by_agent) > 50
    assert all(at - joined[fact.attempt_id] == pytest.approx(10) for at, fact in by_agent)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_stall_holds_answers_back_and_lets_them_go_together() -> None:
    stalls = "[carrier]\nstalls = [[20, 20], [40, 20]]"
    played = play(scenario(count="[[0, 40]]", more=stalls), "issabel-overcommit")
    answers = [at for at, _ in played.facts(f.AttemptAnswered)]
    for begin in (1200.0, 2400.0):
        assert not [at for at in answers if begin <= at < begin + 20]
        assert answers.count(begin + 20) > 1


def test_lost_events_are_found_out_and_nobody_is_stuck() -> None:
    whole, sound = scenario(more="[carrier]\nevent_loss = 0.1"), scenario()
    lossy = play(whole, "progressive")
    assert 0.85 * utilisation(play(sound, "progressive")) < utilisation(lossy)
    tally = lossy.world.tally
    assert tally.abandoned / tally.live == pytest.approx(0.1, abs=0.06)  # an answer that nobody hears of
    assert not lossy.core.floor.state.attempts


# --- blending, campaigns, days ----------------------------------------------------------------------------------------


def test_callers_get_agents_too() -> None:
    more = "[inbound]\nerlangs = 3.0\nbursts = [[20, 10, 3]]\n"
    played = play(scenario(more=more))
    arrived = [at for at, _ in played.facts(f.CallArrived)]
    burst = sum(1 for at in arrived if 1200 <= at < 1800) / 10
    others = sum(1 for at in arrived if not 1200 <= at < 1800) / 50
    assert others == pytest.approx(1.0, abs=0.5)
    assert burst == pytest.approx(3.0, abs=1.2)
    tally = played.world.tally
    assert tally.inbound_joined >= 0.85 * len(arrived)
    told = result(tally, scenario="x", pacing="y", seed=1, wall_s=0).record()
    assert told["inbound"] == {"answered": tally.inbound_joined, "in_time": pytest.approx(0.7, abs=0.3)}


def test_campaigns_share_agents_and_keep_their_own_books() -> None:
    more = '[[campaigns]]\nname = "a"\nanswer_rate = [[0, 0.2]]\n[[campaigns]]\nname = "b"\nanswer_rate = [[0, 0.5]]\n'
    played = play(scenario(more=more), "progressive")
    begun = {event.attempt_id: event.campaign_id for event in played.heard(e.AttemptBegun)}
    assert all(attempt_id.startswith(f"{campaign_id}.") for attempt_id, campaign_id in begun.items())
    assert len(begun) == played.world.tally.attempts
    last = {fact.campaign_id: fact.tallies[0].answers for _, fact in played.facts(f.BookRead)}
    assert set(last) == {"a", "b"}
    assert sum(last.values()) == pytest.approx(played.world.tally.live, abs=10)


def test_days_follow_each_other_on_one_floor_and_are_judged_together() -> None:
    one, two = play(scenario()), play(scenario(), days=2)
    assert two.world.tally.attempts == pytest.approx(2 * one.world.tally.attempts, rel=0.15)
    assert two.world.tally.staffed_us == 2 * one.world.tally.staffed_us
    assert [fact for fact in two.told if fact[0] < 3600] == [fact for fact in one.told if fact[0] < 3600]
    state = two.core.floor.state
    assert not state.attempts
    assert not state.interactions
    assert not state.legs


def test_the_forecast_shrinks_with_the_day() -> None:
    forecasts = [fact.tallies[0].forecast for _, fact in play(scenario(), "progressive").facts(f.BookRead)]
    assert forecasts[0] == pytest.approx(10 * 3600 * 0.6 / 140, rel=0.05)
    assert forecasts[-1] <= 1
    rises = sum(later > before for before, later in pairwise(forecasts))
    assert rises < len(forecasts) / 4


# --- results ----------------------------------------------------------------------------------------------------------


def test_the_object_has_exactly_its_keys() -> None:
    told = simulate(scenario(hours=0.5, warmup=5), "ratio", seed=3).record()
    assert list(told) == [
        "scenario",
        "pacing",
        "seed",
        "agent_utilisation",
        "abandon_rate",
        "abandon_upper95",
        "live_answers",
        "abandoned",
        "attempts",
        "idle_s_per_connect",
        "connect_delay_s",
        "wall_s",
    ]
    assert (told["scenario"], told["pacing"], told["seed"]) == ("small", "ratio", 3)
    assert set(told["connect_delay_s"]) == {"p50", "p99"}  # type: ignore[call-overload]


def test_nobody_answering_is_no_rate() -> None:
    whole: Scenario = scenario(hours=0.2, warmup=1, rate=0.0)
    told = simulate(whole, "progressive")
    assert (told.live_answers, told.abandon_rate, told.abandon_upper95, told.idle_s_per_connect) == (
        0,
        None,
        None,
        None,
    )
    assert told.agent_utilisation == 0
