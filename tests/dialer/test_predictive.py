"""Predictive pacing: what it never does, what it learns, and that a snapshot paces on as if nothing had been."""

from __future__ import annotations

import functools
import heapq
import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialer.learnt import Learnt, fresh
from engine.dialer.modes import make_pacing
from engine.dialer.pacing import REASONS, Lesson, Pacing, Proposal, Sight
from engine.dialer.predictive import WARM_UP_DIALS
from engine.domain.campaign import CampaignId, CampaignPolicy
from engine.domain.values import QueueId

S = 1_000_000
START = 1_700_000_000 * S
POLICY = CampaignPolicy(id=CampaignId("c"), name="c", queue_id=QueueId("q"), answer_rate=0.3)
LIMIT_US = 1_800_000


class World:
    """A small call centre for the pacing alone: half-second steps, seeded; every proposal is kept."""

    def __init__(self, agents: int, answer_rate: float = 0.3, seed: int = 1, allowance: float = 0.03) -> None:
        self.learnt = fresh(POLICY)
        self.pacing: Pacing = make_pacing(POLICY, self.learnt)
        self.answer_rate, self.allowance = answer_rate, allowance
        self.now = START
        self.proposals: list[Proposal] = []
        self.answers = self.drops = self.busy = 0
        self._agents, self._free = agents, agents
        self._dice = np.random.default_rng(seed)
        self._ids = itertools.count()
        self._ahead: list[tuple[int, int, Lesson, int]] = []
        self._ringing: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._talking: dict[int, int] = {}
        self._wrapping: dict[int, int] = {}

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.now += S // 2
            while self._ahead and self._ahead[0][0] <= self.now:
                self._happen(*heapq.heappop(self._ahead))
            self._join()
            proposal = self.pacing.decide(self.sight())
            self.proposals.append(proposal)
            self.busy += len(self._talking) + len(self._wrapping)
            for _ in range(proposal.dials):
                self._dial()

    def sight(self) -> Sight:
        return Sight(
            now=self.now,
            free=self._free,
            waiting=len(self._waiting),
            ringing=list(self._ringing.values()),
            talking=list(self._talking.values()),
            wrapping=list(self._wrapping.values()),
            staffed=self._agents,
            allowance=self.allowance,
        )

    def _later(self, seconds: float, lesson: Lesson, key: int) -> None:
        heapq.heappush(self._ahead, (self.now + int(seconds * S), next(self._ids), lesson, key))

    def _dial(self) -> None:
        key = next(self._ids)
        self._ringing[key] = self.now
        self.pacing.learn(Lesson.DIALLED, self.now, 0)
        if self._dice.random() < self.answer_rate:
            self._later(min(float(self._dice.lognormal(2.3, 0.43)), 25.0), Lesson.ANSWERED, key)
        else:
            self._later(25.0 if self._dice.random() < 0.9 else 3.0, Lesson.FAILED, key)

    def _happen(self, at: int, _: int, lesson: Lesson, key: int) -> None:
        homes = {Lesson.ABANDONED: self._waiting, Lesson.TALKED: self._talking, Lesson.WRAPPED: self._wrapping}
        since = homes.get(lesson, self._ringing).pop(key, None)
        if since is None:
            return  # the call was joined before its limit
        self.pacing.learn(lesson, at, at - since)
        match lesson:
            case Lesson.ANSWERED:
                self.answers += 1
                self._waiting[key] = at
                self._later(LIMIT_US / S, Lesson.ABANDONED, key)
            case Lesson.ABANDONED:
                self.drops += 1
            case Lesson.TALKED:
                self._wrapping[key] = at
                self._later(float(self._dice.lognormal(2.9, 0.4)), Lesson.WRAPPED, key)
            case Lesson.WRAPPED:
                self._free += 1
            case _:
                pass

    def _join(self) -> None:
        while self._free and self._waiting:
            key = next(iter(self._waiting))
            self.pacing.learn(Lesson.CONNECTED, self.now, self.now - self._waiting.pop(key))
            self._free -= 1
            self._talking[key] = self.now
            self._later(float(self._dice.exponential(60.0)), Lesson.TALKED, key)


@functools.cache
def taught() -> World:
    """Ten agents after a quarter of an hour; only looked at, never run further."""
    world = World(10)
    world.run(900)
    return world


def again(learnt: Learnt) -> Learnt:
    return msgspec.json.decode(msgspec.json.encode(learnt), type=Learnt)


@pytest.mark.parametrize("agents", [1, 2, 3, 5, 10])
def test_a_small_team_is_never_paced_below_progressive(agents: int) -> None:
    world = World(agents)
    for _ in range(1200):
        world.run(0.5)
        sight = world.sight()
        sure = max(sight.free - len(sight.ringing) - sight.waiting, 0)
        assert world.pacing.decide(sight).dials >= sure
    assert world.answers > 0


def test_it_keeps_the_share_and_beats_one_call_per_agent() -> None:
    world = World(15)
    world.run(3600)
    share = world.drops / world.answers
    utilisation = world.busy / (15 * 2 * 3600)
    ring_s, handling_s = 11.0 + 0.7 / 0.3 * 23.0, 80.0
    assert share < 0.045
    assert utilisation > handling_s / (handling_s + ring_s) + 0.08


@settings(max_examples=6)
@given(cut=st.integers(min_value=0, max_value=1500), seed=st.integers(min_value=0, max_value=99))
def test_a_restored_snapshot_paces_on_alike(cut: int, seed: int) -> None:
    world, kept = World(6, seed=seed), World(6, seed=seed)
    world.run(cut / 2)
    kept.run(cut / 2)
    world.learnt = again(world.learnt)
    world.pacing = make_pacing(POLICY, world.learnt)
    world.run(200)
    kept.run(200)
    assert world.proposals == kept.proposals
    assert world.learnt == kept.learnt


@settings(max_examples=40)
@given(
    free=st.integers(min_value=0, max_value=12),
    waiting=st.integers(min_value=0, max_value=4),
    ringing=st.lists(st.integers(min_value=0, max_value=40 * S), max_size=30),
    busy=st.lists(st.integers(min_value=0, max_value=3600 * S), max_size=12),
    allowance=st.sampled_from([-0.01, 0.0, 0.001, 0.02, 0.03, 0.2]),
    inbound_rate=st.sampled_from([0.0, 0.01, 0.2]),
)
def test_more_free_agents_never_mean_fewer_calls(
    free: int, waiting: int, ringing: list[int], busy: list[int], allowance: float, inbound_rate: float
) -> None:
    world = taught()
    dials = []
    for more in range(3):
        sight = Sight(
            now=world.now,
            free=free + more,
            waiting=waiting,
            ringing=[world.now - age for age in ringing],
            talking=[world.now - age for age in busy[::2]],
            wrapping=[world.now - age for age in busy[1::2]],
            staffed=free + more + len(busy),
            allowance=allowance,
            inbound_rate=inbound_rate,
        )
        proposal = make_pacing(POLICY, again(world.learnt)).decide(sight)
        assert proposal.reason in REASONS
        assert proposal.dials >= 0
        dials.append(proposal.dials)
    assert dials == sorted(dials)


def test_without_an_allowance_it_is_progressive() -> None:
    world = World(10, allowance=0.0)
    world.run(900)
    assert world.drops == 0
    assert {each.reason for each in world.proposals} <= {"warm-up", "free-agents"}


def test_nothing_is_risked_before_something_is_known() -> None:
    world = World(30)
    proposal = world.pacing.decide(world.sight())
    assert (proposal.dials, proposal.reason) == (30, "warm-up")
    for _ in range(WARM_UP_DIALS):
        world.pacing.learn(Lesson.DIALLED, world.now, 0)
    assert world.pacing.decide(world.sight()).reason == "risk"


def test_nobody_at_work_nobody_called() -> None:
    sight = taught().sight()
    sight.staffed = sight.free = 0
    assert make_pacing(POLICY, again(taught().learnt)).decide(sight) == Proposal(0, "no-agents")


def test_calls_expected_from_elsewhere_are_left_their_agents() -> None:
    sight = taught().sight()
    sight.free, sight.ringing = 6, []
    alone = make_pacing(POLICY, again(taught().learnt)).decide(sight).dials
    sight.inbound_rate = 0.2
    assert make_pacing(POLICY, again(taught().learnt)).decide(sight).dials < alone


def test_a_large_team_is_weighed_by_the_normal_approximation_and_agrees() -> None:
    """At 200 agents a few free ones more mean a few calls more, near those agents over the answer rate."""
    learnt = again(taught().learnt)
    ages = np.random.default_rng(2).exponential(60.0, size=190)
    now = taught().now
    sight = Sight(
        now=now,
        free=10,
        waiting=0,
        ringing=[],
        talking=[now - int(age * S) for age in ages[:150]],
        wrapping=[now - int(age * S / 4) for age in ages[150:]],
        staffed=200,
    )
    proposal = make_pacing(POLICY, learnt).decide(sight)
    assert 60 < proposal.dials < 300
    assert set(proposal.figures) == {"free", "ringing", "answer_rate", "price", "risk"}
    assert proposal.figures["risk"] <= proposal.figures["price"]


def test_the_price_learns_from_who_was_abandoned() -> None:
    learnt = again(taught().learnt)
    pacing = make_pacing(POLICY, learnt)
    before = learnt.price.value
    pacing.learn(Lesson.ABANDONED, taught().now, LIMIT_US)
    after = learnt.price.value
    assert after < before
    for _ in range(60):
        pacing.learn(Lesson.CONNECTED, taught().now, 0)
    assert learnt.price.value > after


def test_mass_log_out_stops_the_dialling_at_once() -> None:
    sight = taught().sight()
    sight.free, sight.talking, sight.wrapping, sight.staffed = 1, [], [], 1
    sight.ringing = [taught().now - 5 * S] * 20
    assert make_pacing(POLICY, again(taught().learnt)).decide(sight).dials == 0


def test_a_step_up_of_the_answer_rate_is_followed() -> None:
    world = World(20, answer_rate=0.15)
    world.run(1200)
    world.answer_rate = 0.55
    before = (world.answers, world.drops)
    world.run(600)
    answers, drops = world.answers - before[0], world.drops - before[1]
    assert drops / answers < 0.15
    assert world.learnt.rate.mean > 0.45
