"""Last in line: how many of the proposed calls the law's budgets bear, whatever the pacing thinks.

For each budget the governor asks one thing: if everything that is in flight went wrong, would the drops still be few
enough when the window ends?

    drops so far + worst case in flight <= x(n)        n = answers so far + floor(0.8 * forecast of the rest)

x(n) is the largest number of drops whose Clopper-Pearson bound (one-sided 95 %) is within the cap. The worst case is
that every call in flight is answered now, and those beyond the free agents are dropped: `in_flight + waiting - free`.
Where the budget bears nothing, what remains is progressive: no more calls than free agents. That is the same formula
with nothing to spend, so the pace changes by single calls at the boundary, not from one regime to another, and needs no
hysteresis: switching to and fro moves one call.

What it guarantees: if from every reading on at least 80 % of the forecast rest comes true, drops never exceed x(n), and
the bound over the window is within the cap at its end. What it cannot: a call that had a free agent at the grant is
dropped if that agent leaves (signs out, pauses, is taken by an inbound call) while it rings, or if joining him fails.
Each agent lost while he is counted on adds at most one drop; the next decision sees him gone and grants less. Where
that happens often, reserve agents (`blending`) or let the pause wait until the calls in flight have ended.

While nothing is forecast, n is what was answered: progressive up to 157 answers at 3 %, as one drop among fewer proves
nothing. A forecast is usable at once.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.dialer.clopper_pearson import clopper_pearson_upper, largest_drops
from engine.domain.campaign import Budget, Tally
from engine.domain.values import SECOND

__all__ = [
    "LOOK_AHEAD",
    "RULES",
    "STALE_US",
    "Book",
    "Grant",
    "allowance",
    "clopper_pearson_upper",
    "grant",
    "largest_drops",
    "spare",
]

STALE_US: Final = 5 * SECOND
"""A book that was read longer ago tells nothing."""

SETTLED_US: Final = 5 * SECOND
"""What happened longer before a reading of the ledger is in it. What is younger is counted again by the floor."""

LOOK_AHEAD: Final = 1_000
"""Live answers over which a budget without a forecast is spread."""

RULES: Final[dict[str, str]] = {
    "": "all that was asked for",
    "stale-ledger": "the ledger was not read within 5 s: nothing is dialled",
    "no-budget": "no budget is given: no more calls than free agents",
    "progressive": "the budget bears no abandoned call: no more calls than free agents",
    "budget": "as many calls as the budget bears if all of them went wrong",
    "rivals": "no more calls than leave the agents whom calls of other campaigns may need",
}
"""Why a grant is what it is, in words."""


class Book(msgspec.Struct):
    """One campaign's sums as last read from the ledger, and what the floor has seen since.

    A reading may miss what was on its way to the ledger. So of what the floor saw, drops count on top of a reading for
    another `SETTLED_US` (twice for a moment, if they were in it), answers only if they came after it: either error is
    on the careful side. Instants are UTC µs; `read_at` 0: never read.
    """

    tallies: tuple[Tally, ...] = ()
    read_at: int = 0
    answers_at: list[int] = []
    drops_at: list[int] = []
    others_drops_at: list[int] = []
    """Drops of the seller's other campaigns, for the budgets that are his."""

    def read(self, tallies: tuple[Tally, ...], at: int) -> None:
        """Take over a reading of the ledger made at `at`; one that is older than the last is passed over."""
        if at < self.read_at:
            return
        self.tallies, self.read_at = tallies, at
        self.answers_at = [seen for seen in self.answers_at if seen > at]
        self.drops_at = [seen for seen in self.drops_at if seen > at - SETTLED_US]
        self.others_drops_at = [seen for seen in self.others_drops_at if seen > at - SETTLED_US]

    def answered(self, now: int) -> None:
        """A live answer that was not abandoned was settled: a person joined to an agent, or gone within the limit."""
        self.answers_at.append(now)

    def dropped(self, now: int) -> None:
        """A live answer was abandoned. It counts as an answer too; do not call `answered` for it."""
        self.answers_at.append(now)
        self.drops_at.append(now)

    def other_dropped(self, now: int) -> None:
        """Another campaign of the same seller abandoned a live answer."""
        recent = now - 12 * SETTLED_US  # who is paused reads nothing, and forgets nothing by it
        self.others_drops_at = [seen for seen in self.others_drops_at if seen > recent]
        self.others_drops_at.append(now)

    def stale(self, now: int) -> bool:
        """Whether it was read too long ago, or in a future that a clock's step left behind."""
        return self.read_at <= 0 or abs(now - self.read_at) > STALE_US

    def standing(self, budget: Budget) -> Standing | None:
        """How this budget's window stands, with what was seen since; None when the reading has no sums of it."""
        for tally in self.tallies:
            if tally.window is budget.window and tally.of_seller == budget.of_seller:
                return self._up_to_date(tally)
        return None

    def _up_to_date(self, tally: Tally) -> Standing:
        answers = tally.answers + len(self.answers_at)
        drops = len(self.drops_at) + (len(self.others_drops_at) if tally.of_seller else 0)
        # what was answered since the reading was part of the forecast, so it does not make the window any larger
        expected = tally.answers + 4 * max(0, tally.forecast) // 5
        return Standing(answers=answers, drops=tally.drops + drops, at_end=max(answers, expected))


class Standing(msgspec.Struct, frozen=True):
    """One window: live answers and drops so far, and the answers counted on at its end (80 % of a forecast's rest)."""

    answers: int
    drops: int
    at_end: int

    def bears(self, cap: float) -> int:
        """The most drops that the window may end with; -1 when even none would prove too little."""
        return largest_drops(self.at_end, cap)


class Grant(msgspec.Struct):
    """`dials` of the wanted calls may be placed; `rule` (see `RULES`) is what took the rest, empty if nothing did.

    `figures` are those of the tightest budget: `answers`, `drops`, `at_end` (the n that is counted on), `bears` (the x
    of it); and `at_risk` (what could be dropped before this grant), `room` (calls that may be added).
    """

    dials: int
    rule: str = ""
    figures: dict[str, float] = {}


def grant(
    wanted: int,
    *,
    budgets: tuple[Budget, ...],
    book: Book,
    in_flight: int,
    free: int,
    waiting: int,
    now: int,
    others_at_risk: int = 0,
) -> Grant:
    """How many of `wanted` more calls may be placed now.

    `in_flight`: dialled and not yet answered or ended; `waiting`: answered by a person and without an agent; `free`:
    agents who would take an answer now, and whom no other campaign's calls may need (where agents are shared, each
    counts once). `others_at_risk`: the worst case of the seller's other campaigns, for budgets that are his. While
    Asterisk is out of sight nobody may ask. Agentless campaigns have no abandoned calls: do not ask either.
    """
    if wanted <= 0:
        return Grant(dials=0)
    tightest = None if book.stale(now) else _tightest(budgets, book, others_at_risk)
    if tightest is None:
        return Grant(dials=0, rule="stale-ledger", figures={"read_ago_s": _read_ago_s(book, now)})
    spare, rule, figures = tightest
    at_risk = in_flight + waiting - free
    room = spare - at_risk
    dials = max(0, min(wanted, room))
    figures |= {"at_risk": float(max(0, at_risk)), "room": float(room)}
    return Grant(dials=dials, rule="" if dials == wanted else rule, figures=figures)


def spare(*, budgets: tuple[Budget, ...], book: Book, now: int) -> int:
    """The drops that the tightest budget can still spend; 0 where that is unknown."""
    tightest = None if book.stale(now) else _tightest(budgets, book, 0)
    return tightest[0] if tightest is not None else 0


def _tightest(budgets: tuple[Budget, ...], book: Book, others_at_risk: int) -> tuple[int, str, dict[str, float]] | None:
    """The drops that the tightest budget can still spend, its rule and figures; None when one has no sums."""
    found: tuple[int, str, dict[str, float]] | None = None
    for budget in budgets:
        standing = book.standing(budget)
        if standing is None:
            return None
        bears = standing.bears(budget.cap)
        spare = max(0, bears - standing.drops - (others_at_risk if budget.of_seller else 0))
        if found is None or spare < found[0]:
            figures = {
                "answers": float(standing.answers),
                "drops": float(standing.drops),
                "at_end": float(standing.at_end),
                "bears": float(bears),
            }
            found = spare, "budget" if spare else "progressive", figures
    return found or (0, "no-budget", {})


def allowance(*, budgets: tuple[Budget, ...], book: Book, at_risk: int = 0) -> float:
    """The share of further live answers that may still be dropped, 0 to the cap: what the tightest budget leaves.

    With a forecast it is what is left for the rest of the window, over 80 % of that rest. Without one it is a steady
    share: what `LOOK_AHEAD` more answers would bear, over them. So a campaign that has dropped much is told less, and
    earns it back; one without any proof yet is told some 2 % of 3. 0.0 without a budget or a reading.

    `at_risk`: calls in flight beyond the free agents. `grant` will always want so many drops unspent; who plans to
    spend them finds himself with one call per free agent when the window nears its end.

    It tells the pacing what to aim at and says nothing of when: `grant` alone says what may be dialled, and looks at
    the book's age.
    """
    return min((_share(budget, book.standing(budget), at_risk) for budget in budgets), default=0.0)


def _share(budget: Budget, standing: Standing | None, at_risk: int) -> float:
    if standing is None:
        return 0.0
    rest = standing.at_end - standing.answers or LOOK_AHEAD
    left = largest_drops(standing.answers + rest, budget.cap) - standing.drops - at_risk
    return min(max(left / rest, 0.0), max(budget.cap, 0.0))


def _read_ago_s(book: Book, now: int) -> float:
    return (now - book.read_at) / SECOND if book.read_at > 0 else -1.0
