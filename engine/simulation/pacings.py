"""The names of `--pacing`: our modes under the governor, the peers' rules without one, as their users run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial

from engine.dialer.baselines import BASELINES, SETTINGS
from engine.dialer.modes import Learnt, make_pacing
from engine.dialer.pacing import Pacing
from engine.domain.campaign import CampaignPolicy, Mode
from engine.domain.values import Value
from engine.errors import UsageError

MakePacing = Callable[[CampaignPolicy, Learnt], Pacing]

OURS = {"predictive": Mode.PREDICTIVE, "progressive": Mode.PROGRESSIVE}
BOUND = "bound"
"""No pacing: the optimum of the exponential model, worked out and not simulated."""
PEERS = tuple(name for name in BASELINES if name not in OURS)
NAMES = (*OURS, *PEERS, BOUND)
"""Every name, in the order of `--pacing all`."""


class Rule(Value):
    """What a floor and its campaigns are made with. `settings` go to a peer's rule; ours have none."""

    name: str
    mode: Mode
    governed: bool
    settings: dict[str, float] = {}

    def make(self, policy: CampaignPolicy, learnt: Learnt) -> Pacing:
        """The pacing of one campaign."""
        if self.governed:
            return make_pacing(policy, learnt)
        return partial(BASELINES[self.name], **self.settings)(policy)


def rule(name: str, settings: Mapping[str, float] | None = None) -> Rule:
    """The rule of that name, a peer's with other settings than its documented defaults.

    :raises UsageError: there is no such pacing, or it has no such settings.
    """
    if name in OURS:
        if settings:
            raise UsageError(f"{name} has no settings", where="--pacing", mend="Leave them out.")
        return Rule(name=name, mode=OURS[name], governed=True)
    if name in PEERS:
        known = {key for tried in SETTINGS.get(name, ()) for key in tried}
        if unknown := sorted(set(settings or {}) - known):
            mend = f"Known are {', '.join(sorted(known))}." if known else "It has none."
            raise UsageError(f"{name} has no setting {unknown[0]}", where="--pacing", mend=mend)
        return Rule(name=name, mode=Mode.PREDICTIVE, governed=False, settings=dict(settings or {}))
    near = get_close_matches(name, NAMES, 1)
    mend = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(NAMES)} and all."
    raise UsageError(f"there is no pacing {name}", where="--pacing", mend=mend)
