"""What a run came to: one object for each pacing, its keys stable."""

from __future__ import annotations

from engine.dialer.clopper_pearson import clopper_pearson_upper
from engine.domain.values import Value
from engine.simulation.fates import SECOND
from engine.simulation.tally import Tally


class Delays(Value):
    """Seconds from the answer to the agent, of the connected; None where nobody was."""

    p50: float | None
    p99: float | None


class InboundResult(Value):
    """What blending did to the callers: how many were answered, and the share of them within the service level."""

    answered: int
    in_time: float | None


class RecordedSums(Value):
    """What really came of the recorded campaign that was played again; `agent_utilisation` as in `Result`."""

    attempts: int
    live_answers: int
    abandoned: int
    agent_utilisation: float | None


class Result(Value):
    """One scenario under one pacing, all its days pooled.

    `agent_utilisation`: talk and wrap-up over logged-in time, after each day's warm-up; time with machines is neither.
    `abandon_rate` counts from minute 0: people who answered and had no agent before the message began, and those whom
    the engine hung up on, over all who answered. `abandon_upper95` is Clopper and Pearson's one-sided bound of it.
    `idle_s_per_connect`: agents' idle seconds for each person joined. None: there is nothing to divide by, or `note`
    says why there is no figure.
    """

    scenario: str
    pacing: str
    seed: int
    agent_utilisation: float | None
    abandon_rate: float | None
    abandon_upper95: float | None
    live_answers: int | None
    abandoned: int | None
    attempts: int | None
    idle_s_per_connect: float | None
    connect_delay_s: Delays
    wall_s: float
    inbound: InboundResult | None = None
    recorded: RecordedSums | None = None
    note: str = ""

    def record(self) -> dict[str, object]:
        """As a JSON object: the optional keys only where there is something to tell."""
        told: dict[str, object] = {name: getattr(self, name) for name in KEYS}
        told["connect_delay_s"] = {"p50": self.connect_delay_s.p50, "p99": self.connect_delay_s.p99}
        if self.inbound is not None:
            told["inbound"] = {"answered": self.inbound.answered, "in_time": self.inbound.in_time}
        if self.recorded is not None:
            told["recorded"] = {name: getattr(self.recorded, name) for name in RecordedSums.__annotations__}
        if self.note:
            told["note"] = self.note
        return told


KEYS = tuple(name for name in Result.__annotations__ if name not in ("inbound", "recorded", "note"))


def result(tally: Tally, *, scenario: str, pacing: str, seed: int, wall_s: float) -> Result:
    """Judge the sums of a run."""
    busy = tally.talk_us + tally.wrap_us
    idle_s = max(0, tally.staffed_us - busy) / SECOND
    delays = sorted(tally.delays)
    inbound = None
    if tally.inbound_joined:
        share = _rounded(tally.inbound_in_time / tally.inbound_joined)
        inbound = InboundResult(answered=tally.inbound_joined, in_time=share)
    return Result(
        scenario=scenario,
        pacing=pacing,
        seed=seed,
        agent_utilisation=_rounded(busy / tally.staffed_us) if tally.staffed_us else None,
        abandon_rate=_rounded(tally.abandoned / tally.live) if tally.live else None,
        abandon_upper95=_rounded(clopper_pearson_upper(tally.abandoned, tally.live)) if tally.live else None,
        live_answers=tally.live,
        abandoned=tally.abandoned,
        attempts=tally.attempts,
        idle_s_per_connect=_rounded(idle_s / tally.connected) if tally.connected else None,
        connect_delay_s=Delays(p50=_quantile(delays, 0.5), p99=_quantile(delays, 0.99)),
        wall_s=round(wall_s, 3),
        inbound=inbound,
    )


def reference(utilisation: float | None, note: str, *, scenario: str, pacing: str, seed: int, wall_s: float) -> Result:
    """What was worked out and not simulated: a utilisation, or None; `note` says what it is, or why there is none."""
    return Result(
        scenario=scenario,
        pacing=pacing,
        seed=seed,
        agent_utilisation=utilisation,
        abandon_rate=None,
        abandon_upper95=None,
        live_answers=None,
        abandoned=None,
        attempts=None,
        idle_s_per_connect=None,
        connect_delay_s=Delays(p50=None, p99=None),
        wall_s=round(wall_s, 3),
        note=note,
    )


def _rounded(value: float) -> float:
    return round(value, 6)


def _quantile(ordered: list[int], share: float) -> float | None:
    """The smallest value that at least this share does not exceed, in seconds."""
    if not ordered:
        return None
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] / SECOND
