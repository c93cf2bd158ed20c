"""Lines per free agent, fixed: one (progressive) or more (the boost of WombatDialer, the power mode of many).

Source of the second: WombatDialer's documentation (docs.loway.ch, chapter Concepts; blog "queue end points"): lines =
free agents times the boost factor of the end point; calls that wait for an agent are lines in use.
"""

from __future__ import annotations

import msgspec

from engine.dialer.baselines.pieces import propose
from engine.dialer.pacing import Lesson, Proposal, Sight
from engine.domain.campaign import CampaignPolicy


class Progressive(msgspec.Struct):
    """One call for each free agent, never more: nobody is abandoned as long as agents stay."""

    policy: CampaignPolicy

    def decide(self, sight: Sight) -> Proposal:
        """Free agents for whom no call rings or waits yet."""
        return propose(sight, sight.free - sight.waiting - len(sight.ringing), "free-agents")

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Nothing to learn."""


class Ratio(msgspec.Struct):
    """`lines_per_agent` lines for each free agent, rounded down; the campaign's own `ratio` where not given."""

    policy: CampaignPolicy
    lines_per_agent: float = 0.0

    def decide(self, sight: Sight) -> Proposal:
        """What is missing to the wanted number of lines in use for the free agents."""
        ratio = self.lines_per_agent or self.policy.ratio
        wanted = int(ratio * max(0, sight.free - sight.waiting))
        return propose(sight, wanted - len(sight.ringing), "ratio", ratio=ratio)

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Nothing to learn."""
