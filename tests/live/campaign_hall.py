"""A hall that dials: a campaign, its leads, nailed-up agents; and the judge, the far side's own record of every call.

`CampaignHall.judge` is the end of every test: whom the far side saw called, how often and with what end, against the
ledger attempt by attempt; and every lead of the list against its state.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text

from engine.asterisk.render import TrunkEndpoint, render
from engine.dialer.law import Rules
from engine.domain.attempt import Outcome
from engine.domain.campaign import Budget, CampaignId, CampaignPolicy, CampaignState, Mode, TrunkId, Window
from engine.domain.policy import TrunkPolicy
from engine.domain.values import QueueId
from engine.errors import StoreUnavailable
from engine.lab.called import Persona, number, persona_of
from engine.lab.instance import Instance
from engine.lab.prompts import speak_all
from engine.lab.pstn import TRUNK_HOST
from engine.lab.truth import Call, Truth
from engine.main.demo.site import ROOT, DemoSite
from engine.settings import Settings
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database, open_database
from engine.store.definitions import Definitions
from engine.store.imports import Imports
from engine.store.vault import Vault
from tests.live.hall import Hall, open_hall

CAMPAIGN = CampaignId("spring")
OUR_NUMBER = "+442079460010"
AT_ANY_HOUR = CampaignTerms(rules=Rules(hours=()), timezone="Asia/Shanghai")
"""Tests run by day and by night. The hours themselves are tested where time is virtual."""
FREELY: dict[str, Any] = {"budgets": (Budget(window=Window.RUN),), "forecast_answers": 1_000_000}
"""A budget of so many answers that it never holds dialling back: the tests want people who find nobody."""
MESSAGE_S = 2.0
"""Law: the message within two seconds of the answer. The dialplan begins it after 1.7 s."""
Places = Mapping[Any, tuple[str, int]]
"""Host and port of each carrier beside the simulated network, by trunk."""
NEVER_REACHED = frozenset({Outcome.REFUSED, Outcome.NOT_DIALLED})
NOBODY_CALLED = NEVER_REACHED | {Outcome.TRUNK}
MAY_HAVE_REACHED = frozenset({Outcome.TRUNK, Outcome.LOST})


class CampaignSite(DemoSite):
    """A site with more trunks than the one to the simulated network: `carriers` are name -> (host, port)."""

    def __init__(self, name: str, *of: Any, carriers: Places | None = None, **more: Any) -> None:
        super().__init__(name, *of, **more)
        places = (carriers or {}).items()
        others = tuple(TrunkEndpoint(name=each, host=host, port=port) for each, (host, port) in places)
        self.plan = msgspec.structs.replace(self.plan, trunks=(*self.plan.trunks, *others))
        rescue = (ROOT / "dialplans" / "agi" / "rescue.py").read_text(encoding="utf-8")
        sounds = speak_all(ROOT / ".asterisk" / "prompts", lambda _text: None)
        self.asterisk = Instance(self.asterisk.tree, name, render(self.plan), agi={"rescue.py": rescue}, sounds=sounds)


class Attempted(msgspec.Struct, frozen=True):
    """One row of the ledger. Times are seconds since 1970, 0 where there is none."""

    id: str
    number: str
    trunk: str
    intent: float
    answered: float
    connected: float
    outcome: Outcome | None
    ended: float
    cause: int


class CampaignHall:
    """A `Hall` and its campaign."""

    def __init__(self, hall: Hall, database: Database, numbers: Sequence[str]) -> None:
        self.hall, self.engine, self.site = hall, hall.engine, hall.site
        self.numbers = list(numbers)
        self._database = database

    # --- what the store has ------------------------------------------------------------------------------------------

    async def ledger(self) -> list[Attempted]:
        """Every attempt, oldest first, by the store's own tables."""
        query = (
            "SELECT a.id, t.value, a.trunk_id, a.intent_us, a.answered_us, a.connected_us, a.outcome, a.outcome_us, "
            "a.cause FROM attempt a JOIN token t ON t.id = a.number ORDER BY a.intent_us, a.id"
        )
        return [
            Attempted(
                id=row[0],
                number=row[1],
                trunk=row[2],
                intent=row[3] / 1e6,
                answered=(row[4] or 0) / 1e6,
                connected=(row[5] or 0) / 1e6,
                outcome=Outcome(row[6]) if row[6] else None,
                ended=(row[7] or 0) / 1e6,
                cause=row[8],
            )
            for row in await self._rows(query)
        ]

    async def leads(self) -> Counter[str]:
        """How many leads stand in each state."""
        return Counter({row[0]: row[1] for row in await self._rows("SELECT state, count(*) FROM lead GROUP BY state")})

    async def wishes(self) -> int:
        """How many numbers the do-not-call list holds."""
        return int((await self._rows("SELECT count(*) FROM do_not_call"))[0][0])

    async def _rows(self, query: str) -> Sequence[Any]:
        async with self._database.reading() as connection:
            return (await connection.execute(text(query))).all()

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def until(
        self, look: Callable[[list[Attempted]], bool], within_s: float = 40.0, what: str = ""
    ) -> list[Attempted]:
        """The first ledger that passes, read every 100 ms."""
        seen: list[Attempted] = []
        try:
            async with asyncio.timeout(within_s):
                while not look(seen := await self._patiently()):  # noqa: ASYNC110 - another process's table
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"not within {within_s} s: {what}; {self.show(seen)}; {self.engine.tail()}") from None
        return seen

    async def _patiently(self) -> list[Attempted]:
        try:
            return await self.ledger()
        except StoreUnavailable:
            return []

    async def until_dialled_out(self, within_s: float = 60.0) -> list[Attempted]:
        """Every number of the list was dialled, and every attempt has its outcome."""
        return await self.until(
            lambda rows: (
                {row.number for row in rows if row.outcome not in NOBODY_CALLED} >= set(self.numbers)
                and all(row.outcome for row in rows)
            ),
            within_s,
            "everybody dialled, every attempt with an outcome",
        )

    async def until_far(self, test: Callable[[Truth], bool], within_s: float = 30.0) -> Truth:
        """The far side saw this."""
        return await self.site.pstn.until_truth(test, within_s)

    async def start(self) -> None:
        """Dial from now on, through the API."""
        await self.engine.ask("POST", f"/v1/campaigns/{CAMPAIGN}/start", {})

    async def pause(self) -> None:
        """No more dials, through the API, as a supervisor would; what rings goes on."""
        await self.engine.ask("POST", f"/v1/campaigns/{CAMPAIGN}/pause", {})

    # --- judging -----------------------------------------------------------------------------------------------------

    async def judge(self) -> Counter[str]:
        """Ledger against the far side, attempt by attempt; leads against the list. How the attempts ended."""
        rows = await self.ledger()
        wrong = disagreements(rows, self.site.pstn.truth())
        assert wrong == [], (wrong, self.show(rows))
        leads = await self.leads()
        assert sum(leads.values()) == len(self.numbers), leads
        return Counter(row.outcome.value for row in rows if row.outcome)

    @staticmethod
    def show(rows: Iterable[Attempted]) -> str:
        """The ledger in short."""
        ends = ((row, row.outcome.value if row.outcome else "open") for row in rows)
        return "; ".join(f"{row.id[-6:]} {row.number[-8:]} {row.trunk} {end}" for row, end in ends)


def twice_dialled(truth: Truth, allowed: Callable[[str], int] = lambda _number: 1) -> list[str]:
    """Numbers that rang more often than allowed, by the far side's CHAN_START: answered or not."""
    rang = Counter(call.dialled for call in truth.called())
    return [f"{called} was dialled {times} times" for called, times in rang.items() if times > allowed(called)]


def disagreements(rows: Sequence[Attempted], truth: Truth) -> list[str]:
    """Where the ledger and the far side do not tell the same, in words; nothing where they agree."""
    wrong: list[str] = []
    of_number: dict[str, list[Attempted]] = {}
    for row in rows:
        of_number.setdefault(row.number, []).append(row)
        if row.outcome is None:
            wrong.append(f"{row.number}: {row.id} has no outcome")
    unknown = {call.dialled for call in truth.called()} - of_number.keys()
    wrong += [f"{called} was dialled and is not in the ledger" for called in unknown]
    for called, attempts in of_number.items():
        calls = sorted(truth.called(called), key=lambda call: call.started)
        reached = [row for row in attempts if row.outcome not in NEVER_REACHED and row.trunk == "pstn"]
        if len(calls) > len(reached) or len(calls) < sum(row.outcome not in MAY_HAVE_REACHED for row in reached):
            wrong.append(f"{called}: the far side saw {len(calls)} calls, the ledger {len(reached)}")
            continue
        for row, call in zip(reached, calls, strict=False):
            wrong += _differs(row, call)
    return wrong


def _differs(row: Attempted, call: Call) -> list[str]:
    about = f"{row.number}: ledger {row.outcome and row.outcome.value}, far side {call.notes} cause {call.cause}"
    notes = {name for name, _ in call.notes}
    up = call.answered is not None
    outcome = row.outcome
    live = outcome is not None and outcome.live_answer
    true = {
        Outcome.CONNECTED: up and "MESSAGE" not in notes and "SILENCE" not in notes,
        Outcome.ABANDONED: up and "TALKED" not in notes,
        Outcome.HUNG_UP_EARLY: up and not notes & {"TALKED", "MESSAGE"},
        Outcome.BUSY: not up and persona_of(row.number) is Persona.BUSY,
        Outcome.UNALLOCATED: not up and persona_of(row.number) is Persona.UNALLOCATED,
        Outcome.NO_ANSWER: not up,
        Outcome.LOST: True,
    }
    if outcome is not None and not true.get(outcome, not up):
        return [about]
    return [f"{about}: in silence"] if live and "SILENCE" in notes else []


def people(count: int, *, first: int = 0, ring_s: float = 1.0, talk_s: float = 2.0) -> list[str]:
    """So many different people who answer after `ring_s`."""
    return [number(Persona.PERSON, first + each, ring_s=ring_s, talk_s=talk_s) for each in range(count)]


def campaign(**changes: Any) -> CampaignPolicy:
    """A campaign that dials without being held back by budgets."""
    usual: dict[str, Any] = {
        "id": CAMPAIGN,
        "name": "Spring",
        "queue_id": QueueId("desk"),
        "seller": "Example Ltd",
        "mode": Mode.PROGRESSIVE,
        "caller_id": OUR_NUMBER,
        "trunks": (TrunkId("pstn"),),
    }
    return CampaignPolicy(**(usual | FREELY | changes))


@asynccontextmanager
async def open_campaign(
    numbers: Sequence[str],
    nailed: int = 2,
    *,
    policy: CampaignPolicy | None = None,
    terms: CampaignTerms = AT_ANY_HOUR,
    carriers: Places | None = None,
    running: bool = True,
    **of_hall: Any,
) -> AsyncIterator[CampaignHall]:
    """A hall whose campaign runs from the engine's first moment on, so it dials as soon as agents are there.

    With `running` False it dials when it is started, and all agents are there already.
    """
    wanted, trunk_port = policy or campaign(), 0

    async def define_campaign(settings: Settings) -> None:
        database = open_database(settings.database_url)
        try:
            await _define(database, settings, numbers, wanted, terms, carriers or {}, trunk_port)
            if running:
                await Definitions(database).campaigns.want(wanted.id, CampaignState.RUNNING)
        finally:
            await database.close()

    def site_of(*of: Any, **more: Any) -> CampaignSite:
        nonlocal trunk_port
        site = CampaignSite(*of, carriers=carriers, **more)
        trunk_port = site.pstn.trunk_port
        return site

    async with open_hall(nailed, site_of=site_of, also=define_campaign, **of_hall) as hall:
        database = open_database(hall.engine.settings.database_url)
        try:
            await hall.sign_in(*(f"{1001 + each}" for each in range(nailed)), within_s=60.0 + 3.0 * nailed)
            yield CampaignHall(hall, database, numbers)
        finally:
            await database.close()


async def _define(
    database: Database,
    settings: Settings,
    numbers: Sequence[str],
    policy: CampaignPolicy,
    terms: CampaignTerms,
    carriers: Places,
    trunk_port: int,
) -> None:
    definitions = Definitions(database)
    for name, (host, port) in {"pstn": (TRUNK_HOST, trunk_port), **carriers}.items():
        await definitions.trunks.add(TrunkPolicy(id=name, host=host, port=port))
    await definitions.campaigns.add(policy)
    await definitions.campaigns.set_terms(policy.id, terms)
    vault = await Vault.open(database, settings.paths.data)
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("number\n" + "".join(f"{each}\n" for each in numbers))
        file.flush()
        done = await Imports(database, vault).import_csv(policy.id, Path(file.name), time.time_ns() // 1000)
    assert done.accepted == len(numbers), done
