"""The modes of a campaign, each a `Pacing`; `make_pacing` chooses by policy."""

from __future__ import annotations

import math

from engine.dialer.learnt import Learnt, fresh
from engine.dialer.pacing import Lesson, Pacing, Proposal, Sight
from engine.dialer.predictive import Predictive
from engine.domain.campaign import CampaignPolicy, Mode

__all__ = ["Agentless", "Learnt", "Power", "Preview", "Progressive", "fresh", "make_pacing"]


class _Unlearning:
    """What the modes that need no experience have in common."""

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """See `Pacing`."""


class Progressive(_Unlearning):
    """One call for each free agent, so that nobody is abandoned unless an agent leaves while it rings."""

    def decide(self, sight: Sight) -> Proposal:
        """See `Pacing`."""
        return _proposal(sight, sight.free - len(sight.ringing) - sight.waiting, "free-agents")


class Power(_Unlearning):
    """`ratio` lines for each free agent."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio

    def decide(self, sight: Sight) -> Proposal:
        """See `Pacing`."""
        wanted = math.floor(self._ratio * sight.free + 1e-9) - len(sight.ringing) - sight.waiting
        return _proposal(sight, wanted, "ratio")


class Preview(_Unlearning):
    """One lead for each free agent who looks at none yet. An agent who looks at one is not free."""

    def decide(self, sight: Sight) -> Proposal:
        """See `Pacing`."""
        return _proposal(sight, sight.free - sight.waiting, "preview")


class Agentless(_Unlearning):
    """As many calls as there are lines: nobody is needed to answer them."""

    def decide(self, sight: Sight) -> Proposal:
        """See `Pacing`."""
        return Proposal(max(sight.lines, 0), "lines")


def _proposal(sight: Sight, wanted: int, reason: str) -> Proposal:
    if sight.staffed <= 0:
        return Proposal(0, "no-agents")
    return Proposal(max(0, min(wanted, sight.lines)), reason)


def make_pacing(policy: CampaignPolicy, learnt: Learnt) -> Pacing:
    """The pacing that `policy` asks for, going on from `learnt`, which it changes."""
    match policy.mode:
        case Mode.PREDICTIVE:
            return Predictive(policy, learnt)
        case Mode.POWER:
            return Power(policy.ratio)
        case Mode.PREVIEW:
            return Preview()
        case Mode.AGENTLESS:
            return Agentless()
        case Mode.PROGRESSIVE:
            return Progressive()
