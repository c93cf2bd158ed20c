"""What is counted while a scenario runs. The truth of the simulated world, not what the floor believes of it."""

from __future__ import annotations

from array import array


class Tally:
    """Sums over all days of a run. Times in µs. `begin` and `end` bound the present day's counted time."""

    __slots__ = (
        "abandoned",
        "attempts",
        "begin",
        "connected",
        "delays",
        "end",
        "inbound_in_time",
        "inbound_joined",
        "live",
        "machines",
        "staffed_us",
        "talk_us",
        "wrap_us",
    )

    def __init__(self) -> None:
        self.attempts = self.live = self.abandoned = self.machines = 0
        self.connected = 0
        """Calls and callers joined to an agent after the warm-up."""
        self.delays = array("q")
        """From the answer to the agent, of every connected person."""
        self.staffed_us = self.talk_us = self.wrap_us = 0
        self.inbound_joined = self.inbound_in_time = 0
        self.begin = self.end = 0

    def talked(self, begin: int, end: int) -> None:
        """An agent talked to a person."""
        self.talk_us += self._counted(begin, end)

    def wrapped(self, begin: int, end: int) -> None:
        """An agent wrapped up."""
        self.wrap_us += self._counted(begin, end)

    def staffed(self, begin: int, end: int) -> None:
        """An agent was logged in."""
        self.staffed_us += self._counted(begin, end)

    def joined(self, at: int) -> None:
        """An agent got a person."""
        if at >= self.begin:
            self.connected += 1

    def _counted(self, begin: int, end: int) -> int:
        """How much of a span lies in the counted time: the warm-up is left out of utilisation."""
        return max(0, min(end, self.end) - max(begin, self.begin))
