"""The modes that need no experience, and the choice between all."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dialer.modes import Agentless, Power, Preview, Progressive, fresh, make_pacing
from engine.dialer.pacing import REASONS, Lesson, Pacing, Sight
from engine.dialer.predictive import Predictive
from engine.domain.campaign import CampaignId, CampaignPolicy, Mode
from engine.domain.values import QueueId

NOW = 1_700_000_000_000_000


def policy(mode: Mode = Mode.PREDICTIVE, ratio: float = 1.5) -> CampaignPolicy:
    return CampaignPolicy(id=CampaignId("c"), name="c", queue_id=QueueId("q"), mode=mode, ratio=ratio)


def sight(free: int, ringing: int = 0, waiting: int = 0, lines: int = 1000, staffed: int = 10) -> Sight:
    since = [NOW - 5_000_000] * ringing
    return Sight(
        now=NOW, free=free, waiting=waiting, ringing=since, talking=[], wrapping=[], staffed=staffed, lines=lines
    )


@pytest.mark.parametrize(
    ("pacing", "seen", "dials", "reason"),
    [
        (Progressive(), sight(3, ringing=1, waiting=1), 1, "free-agents"),
        (Progressive(), sight(1, ringing=4), 0, "free-agents"),
        (Power(2.5), sight(3, ringing=2), 5, "ratio"),
        (Power(1.1), sight(10), 11, "ratio"),
        (Preview(), sight(3, ringing=2), 3, "preview"),
        (Agentless(), sight(0, lines=7, staffed=0), 7, "lines"),
        (Progressive(), sight(0, staffed=0), 0, "no-agents"),
        (Progressive(), sight(9, lines=4), 4, "free-agents"),
    ],
)
def test_what_each_proposes(pacing: Pacing, seen: Sight, dials: int, reason: str) -> None:
    proposal = pacing.decide(seen)
    assert (proposal.dials, proposal.reason) == (dials, reason)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (Mode.PREVIEW, Preview),
        (Mode.PROGRESSIVE, Progressive),
        (Mode.POWER, Power),
        (Mode.PREDICTIVE, Predictive),
        (Mode.AGENTLESS, Agentless),
    ],
)
def test_the_policy_chooses(mode: Mode, kind: type[Pacing]) -> None:
    assert type(make_pacing(policy(mode), fresh(policy(mode)))) is kind


@given(
    mode=st.sampled_from(list(Mode)),
    free=st.integers(min_value=0, max_value=50),
    ringing=st.integers(min_value=0, max_value=50),
    waiting=st.integers(min_value=0, max_value=5),
    lines=st.integers(min_value=-5, max_value=60),
)
def test_never_negative_never_more_than_the_lines(
    mode: Mode, free: int, ringing: int, waiting: int, lines: int
) -> None:
    proposal = make_pacing(policy(mode), fresh(policy(mode))).decide(sight(free, ringing, waiting, lines))
    assert 0 <= proposal.dials <= max(lines, 0)
    assert proposal.reason in REASONS


def test_what_is_learnt_survives_json() -> None:
    learnt = fresh(policy())
    pacing = make_pacing(policy(), learnt)
    for lesson in Lesson:
        pacing.learn(lesson, NOW, 3_000_000)
    assert msgspec.json.decode(msgspec.json.encode(learnt), type=type(learnt)) == learnt
