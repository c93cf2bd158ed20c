"""Who was at work, as the steps of a scenario: spans of many agents become (minute, how many)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from engine.domain.recorded import RecordedCampaign, RecordedSpan
from engine.domain.values import AgentId
from engine.simulation.series import MINUTE

Pairs = list[tuple[int, int]]
"""Spans (begin, end), apart from each other and in order."""

LONGEST_GAP_US = 15 * MINUTE
"""Longer times without anybody at work (nights) are cut to this: nothing happens in them."""


class Presence:
    """Who was at work for a campaign between two instants (UTC µs).

    `steps`: (minute, agents) from the beginning on, long gaps cut. `length_us`: up to the end, gaps cut the same way.
    `staffed_us`: the agents' time added up.
    """

    def __init__(self, recorded: RecordedCampaign, begin: int, end: int) -> None:
        self._whole = [(begin, end)]
        steps = _counted(self._agents(recorded))
        self.staffed_us = 0
        self.steps: tuple[tuple[float, int], ...] = ()
        cut, count, since = 0, 0, begin
        told: dict[float, int] = {0.0: 0}
        for at, change in [*steps, (end, 0)]:
            if count == 0:
                cut += max(0, at - since - LONGEST_GAP_US)
            self.staffed_us += count * (at - since)
            count, since = count + change, at
            told[(at - begin - cut) / MINUTE] = count
        self.length_us = end - begin - cut
        told.pop(self.length_us / MINUTE, None)
        self.steps = tuple(told.items())

    def _agents(self, recorded: RecordedCampaign) -> Iterable[Pairs]:
        running = _union((each.begin, each.end) for each in recorded.running) or self._whole
        idle = _minus(self._whole, running)
        elsewhere = _by_agent(recorded.elsewhere)
        for agent_id, spans in _by_agent(recorded.at_work).items():
            inside = _minus(spans, _minus([(spans[0][0], spans[-1][1])], self._whole))
            yield _minus(_minus(inside, idle), elsewhere.get(agent_id, []))


def _by_agent(spans: Iterable[RecordedSpan]) -> dict[AgentId | None, Pairs]:
    found: defaultdict[AgentId | None, Pairs] = defaultdict(list)
    for each in spans:
        found[each.agent_id].append((each.begin, each.end))
    return {agent_id: pairs for agent_id, parts in found.items() if (pairs := _union(parts))}


def _union(spans: Iterable[tuple[int, int]]) -> Pairs:
    """The same time in spans that neither touch nor overlap."""
    apart: Pairs = []
    for begin, end in sorted(spans):
        if apart and begin <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end))
        elif begin < end:
            apart.append((begin, end))
    return apart


def _minus(spans: Pairs, others: Pairs) -> Pairs:
    """The time of the spans that lies in none of the others."""
    left: Pairs = []
    first = 0
    for begin, end in spans:
        while first < len(others) and others[first][1] <= begin:
            first += 1
        at = begin
        for other_begin, other_end in others[first:]:
            if other_begin >= end:
                break
            if at < other_begin:
                left.append((at, other_begin))
            at = max(at, other_end)
        if at < end:
            left.append((at, end))
    return left


def _counted(agents: Iterable[Pairs]) -> Sequence[tuple[int, int]]:
    """(instant, how many more are there from then on), in order; instants at which as many go as come are left out."""
    changes: defaultdict[int, int] = defaultdict(int)
    for spans in agents:
        for begin, end in spans:
            changes[begin] += 1
            changes[end] -= 1
    return sorted((at, change) for at, change in changes.items() if change)
