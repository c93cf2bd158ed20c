"""The best that any pacing could do in the exponential model: a linear programme over occupation measures.

The model: `agents` agents, exponential handle times, each dial rings an exponential time and then is a person with
probability `answer_rate`; dials cost nothing and are never taken back. Its state is (x calls being handled or waiting,
k ringing). Unknown are y(x, k), the share of time in each state, and z(x, k), how often per handle time one more call
is dialled there; both are tied by the balance of flows. The most of sum y x min(x, agents) / agents, with at most `cap`
of the answered abandoned, is exact over all randomised rules that may depend on the whole past (Puterman 1994, ch. 8;
Altman 1999), but for the states left out: many more ringing, waiting or idle than are ever reached. The edge is moved
until hardly any time is spent on it. An answer that finds nobody free waits an exponential time of mean `wait_s` and is
abandoned; with `wait_s` 0 it is at once.

It is a *reference*: no bound where talk or ring ages tell something, and one that fails faster than real ring-outs do.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from engine.domain.values import Value
from engine.errors import UsageError
from engine.simulation.scenario import Scenario

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

MOST_AGENTS = 100
LABEL = "reference (exponential model)"
MODEL_VERSION = 1
"""Counts up whenever the programme or its truncation changes: what an older one found is worked out again."""

_MOST_STATES = 60_000
_ON_THE_EDGE = 2e-4
"""At most this share of the time may be spent on each edge of the states that are known, or it is moved."""
_TRIES = 12


class Reference(Value):
    """The optimum as a share of the agents' time; None where the model does not fit, and `reason` says why."""

    utilisation: float | None
    reason: str = ""


def bound_of(scenario: Scenario, cache: Path | None = None) -> Reference:
    """The reference of a scenario, if it is one stationary campaign; durations count by their means.

    Limits of lines and calls per second are left out of account: they only take away from what is told here.
    """
    unfit = _unfit(scenario)
    if unfit:
        return Reference(utilisation=None, reason=unfit)
    calls, limits = scenario.campaigns[0].calls, scenario.limits
    return bound(
        agents=scenario.most_agents,
        answer_rate=calls.answer_rate[0][1],
        handle_s=calls.talk_s.average() + calls.wrap_s.average(),
        ring_s=calls.ring_s.average(),
        cap=limits.abandon_cap,
        wait_s=limits.connect_deadline_s,
        cache=cache,
    )


def bound(
    agents: int,
    answer_rate: float,
    handle_s: float,
    ring_s: float,
    cap: float,
    wait_s: float,
    cache: Path | None = None,
) -> Reference:
    """The most of the agents' time that can be filled with at most `cap` of the answered calls abandoned.

    `handle_s`: mean talk and wrap-up. `ring_s`: mean time to the end of ringing. `wait_s`: mean patience of an answered
    call, 0 for none. `cache`: the file of known results, by default in the user's cache directory.

    :raises UsageError: a parameter makes no sense.
    """
    _check(agents, answer_rate, handle_s, ring_s, cap, wait_s)
    if agents > MOST_AGENTS:
        return Reference(utilisation=None, reason=f"more than {MOST_AGENTS} agents")
    known = _Known(cache or _cache_file())
    key = ",".join(f"{value:.9g}" for value in (agents, answer_rate, handle_s, ring_s, cap, wait_s))
    found = known.get(key)
    if found is not None:
        return Reference(utilisation=found)
    reference = _solve_until_wide_enough(agents, answer_rate, ring_s / handle_s, cap, wait_s / handle_s)
    if reference.utilisation is not None:
        known.put(key, reference.utilisation)
    return reference


# --- where the model fits ---------------------------------------------------------------------------------------------


def _unfit(scenario: Scenario) -> str:
    """Why the model does not fit; "" where it does."""
    calls, carrier = scenario.campaigns[0].calls, scenario.carrier
    reasons = {
        "several campaigns share the agents": len(scenario.campaigns) > 1,
        "the number of agents changes": len({count for _, count in scenario.agents.count}) > 1,
        f"more than {MOST_AGENTS} agents": scenario.most_agents > MOST_AGENTS,
        "the answer rate changes": len({rate for _, rate in calls.answer_rate}) > 1,
        "nobody answers": calls.answer_rate[0][1] <= 0,
        "agents take inbound calls too": scenario.inbound is not None and scenario.inbound.erlangs > 0,
        "the carrier stalls or events get lost": bool(carrier.stalls) or carrier.event_loss > 0,
        "agents are joined with machines": calls.machine_rate > 0 and calls.amd.seconds > 0,
    }
    return next((reason for reason, applies in reasons.items() if applies), "")


def _check(agents: int, answer_rate: float, handle_s: float, ring_s: float, cap: float, wait_s: float) -> None:
    for name, value, right, rule in (
        ("agents", agents, agents >= 1, "at least 1"),
        ("answer_rate", answer_rate, 0 < answer_rate <= 1, "above 0 and at most 1"),
        ("handle_s", handle_s, 0 < handle_s < math.inf, "above 0"),
        ("ring_s", ring_s, 0 < ring_s < math.inf, "above 0"),
        ("cap", cap, 0 <= cap <= 1, "from 0 to 1"),
        ("wait_s", wait_s, 0 <= wait_s < math.inf, "0 or above"),
    ):
        if not right:
            raise UsageError(f"{value} makes no sense", where=name, mend=f"It must be {rule}.")


# --- the linear programme, with the mean handle time as the unit of time ----------------------------------------------


@dataclass(frozen=True)
class _Model:
    """One programme. From `least` to `most` calls are handled or wait, up to `lines` ring."""

    agents: int
    answer_rate: float
    ring: float
    cap: float
    wait: float
    least: int
    most: int
    lines: int

    @property
    def states(self) -> int:
        return (self.most - self.least + 1) * (self.lines + 1)


@dataclass(frozen=True)
class _Solved:
    """The optimum, and the shares of time on the edges of the states: fewest busy, most waiting, most ringing."""

    utilisation: float
    idle_edge: float
    queue_edge: float
    lines_edge: float


def _solve_until_wide_enough(agents: int, answer_rate: float, ring: float, cap: float, wait: float) -> Reference:
    needed = agents * ring / answer_rate  # ringing on average where all agents are always busy
    lines = needed + 4.5 * math.sqrt(needed) + 5 / answer_rate + 4
    queue = 4 + 1.2 * math.sqrt(agents * (1 + wait / ring)) if wait else 0.0
    idle = 8 + 2.5 * math.sqrt(agents)
    for _ in range(_TRIES):
        least, most = max(0, agents - int(idle)), agents + int(queue)
        model = _Model(agents, answer_rate, ring, cap, wait, least, most, int(lines))
        if model.states > _MOST_STATES:
            return Reference(utilisation=None, reason=f"more than {_MOST_STATES} states: too many to be worked out")
        solved = _solve(model)
        if solved is None:  # the solver's numbers went astray, which hangs on luck: ask for a little more
            lines += 1
            continue
        if max(solved.lines_edge, solved.queue_edge, solved.idle_edge) <= _ON_THE_EDGE:
            return Reference(utilisation=round(solved.utilisation, 6))
        lines *= 1.25 if solved.lines_edge > _ON_THE_EDGE else 1
        queue *= 1.4 if solved.queue_edge > _ON_THE_EDGE else 1
        idle *= 1.4 if solved.idle_edge > _ON_THE_EDGE else 1
    return Reference(utilisation=None, reason="the solver of the linear programme gave up")


def _solve(model: _Model) -> _Solved | None:
    """Solve one programme; None where no method of the solver could."""
    import numpy as np
    from scipy.optimize import linprog

    busy, ringing, balance = _flows(model)
    dials = balance.shape[1] - model.states
    nothing = np.zeros(dials)
    answered = ringing * model.answer_rate / model.ring
    abandoned = (busy - model.agents).clip(0) / model.wait if model.wait else np.where(busy == model.most, answered, 0)
    worth = np.minimum(busy, model.agents) / model.agents
    shares = np.concatenate([np.ones(model.states), nothing])
    for method in ("highs-ds", "highs-ipm"):
        found = linprog(
            -np.concatenate([worth, nothing]),
            A_ub=np.concatenate([abandoned - model.cap * answered, nothing])[None, :],
            b_ub=[0.0],
            A_eq=_with_row(balance, shares),
            b_eq=np.concatenate([np.zeros(model.states - 1), [1.0]]),
            method=method,
        )
        if found.status == 0:
            times: NDArray[np.float64] = found.x[: model.states]
            return _Solved(
                utilisation=-float(found.fun),
                idle_edge=float(times[busy == model.least].sum()) if model.least else 0.0,
                queue_edge=float(times[busy == model.most].sum()) if model.wait else 0.0,
                lines_edge=float(times[ringing == model.lines].sum()),
            )
    return None


def _flows(model: _Model) -> tuple[NDArray[np.int64], NDArray[np.int64], csr_array]:
    """For each state the calls handled or waiting and those ringing; and the balance of flows, a row for each state.

    Columns are the shares of time y, then the rates of dialling z of the states in which a line is left.
    """
    import numpy as np
    from scipy.sparse import coo_array, csr_array

    state = np.arange(model.states)
    width = model.lines + 1
    busy, ringing = model.least + state // width, state % width
    answer = ringing * model.answer_rate / model.ring
    served = np.minimum(busy, model.agents).astype(float)
    given_up = (busy - model.agents).clip(0) / model.wait if model.wait else 0.0
    full = busy == model.most
    moves = (  # from which states, to which, how fast
        (busy > model.least, state - width, served + given_up),
        (ringing > 0, state - 1, ringing * (1 - model.answer_rate) / model.ring + np.where(full, answer, 0.0)),
        ((ringing > 0) & ~full, state - 1 + width, answer),
    )
    column = [state[where] for where, _, _ in moves]
    target = [to[where] for where, to, _ in moves]
    rate = [speed[where] for where, _, speed in moves]
    can_dial = state[ringing < model.lines]
    dial = model.states + np.arange(can_dial.size)
    ones = np.ones(can_dial.size)
    matrix = coo_array(
        (
            np.concatenate([*(-each for each in rate), *rate, -ones, ones]),
            (
                np.concatenate([*column, *target, can_dial, can_dial + 1]),
                np.concatenate([*column, *column, dial, dial]),
            ),
        ),
        shape=(model.states, model.states + can_dial.size),
    )
    return busy, ringing, csr_array(matrix)


def _with_row(balance: csr_array, row: NDArray[np.float64]) -> csr_array:
    """The balance with `row` in place of its last one, which follows from the others."""
    from scipy.sparse import csr_array, vstack

    return csr_array(vstack([balance[:-1], csr_array(row[None, :])]))


# --- what is known already --------------------------------------------------------------------------------------------


def _cache_file() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("callwright") / "bounds.json"


class _Known:
    """Results by their parameters in a JSON file. One that is missing, damaged or unwritable costs time and no more."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, key: str) -> float | None:
        """What was found before."""
        value = self._read().get(key)
        return value if isinstance(value, float) else None

    def put(self, key: str, value: float) -> None:
        """Keep a result. Two processes at once may lose one of their results, never the file."""
        known = self._read() | {key: value}
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=self._file.parent, delete=False, encoding="utf-8") as new:
                json.dump({"version": MODEL_VERSION, "bounds": known}, new, indent=1)
            Path(new.name).replace(self._file)

    def _read(self) -> dict[str, object]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict) or kept.get("version") != MODEL_VERSION:
            return {}
        bounds = kept.get("bounds")
        return bounds if isinstance(bounds, dict) else {}
