"""The ledger: INTENT before anything is dialled, one outcome per attempt, and what the budgets count."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import insert, select, update

from engine.dialer.law import CapRule, HoursRule, IntervalRule, Rules
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId, Budget, CampaignId, CampaignState, ClaimedLead, Tally, Window
from engine.domain.events import CampaignMoved, PersonOptedOut, TrunkMoved
from engine.domain.flow import OpenSpan
from engine.errors import ConfigError, NotFound, StoreUnavailable
from engine.main.leads import StoredLeads
from engine.runtime.outbound import WantedLeads
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database
from engine.store.ledger import Intent, Ledger, Refusal
from engine.store.outcomes import MOST_UNRUNG
from engine.store.tables import Campaign, CampaignSpan, DialAttempt, Lead, PersonalData, TrunkSpan, table
from engine.store.vault import Vault
from tests.contract.lists import DAY, HOUR, MINUTE, NOON, POLICY, SPRING, TRUNK, Desk, dial, ended, new_york, open_desk


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    return await open_desk(database, tmp_path)


async def _no_vault() -> Vault:
    raise NotImplementedError


async def test_an_intent_is_kept_before_anything_is_dialled(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    assert await desk.ledger.intend(dial(lead), NOON) == Intent(attempt_id=lead.attempt_id, number=new_york(1))
    [attempt] = await desk.rows(DialAttempt)
    assert attempt["outcome"] is None
    assert attempt["seller"] == "Acme"
    assert attempt["number"] == lead.number
    [intent] = await desk.ledger.open_intents()
    assert (intent.attempt_id, intent.lead_id, intent.trunk_id, intent.intent_at) == (
        lead.attempt_id,
        lead.lead_id,
        TRUNK,
        NOON,
    )
    assert await desk.ledger.open_intents(before=NOON) == ()


async def test_no_attempt_is_made_twice(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    for _ in range(2):
        again = await desk.ledger.intend(dial(lead), NOON)
        assert again == Refusal(attempt_id=lead.attempt_id, rule="dialled-already", kept=False)
    assert len(await desk.rows(DialAttempt)) == 1


async def test_a_lead_whose_lease_went_to_another_cannot_be_dialled(desk: Desk) -> None:
    await desk.load(new_york(1))
    first = await desk.claim_one()
    second = await desk.claim_one(NOON + 61_000_000)
    late = await desk.ledger.intend(dial(first), NOON + 61_000_000)
    assert late == Refusal(attempt_id=first.attempt_id, rule="lead-not-claimed", kept=False)
    assert isinstance(await desk.ledger.intend(dial(second), NOON + 61_000_000), Intent)


async def test_hours_are_asked_again_when_dialling(desk: Desk) -> None:
    await desk.load(new_york(1))
    evening = NOON + 9 * HOUR - MINUTE  # 20:59 in New York
    lead = await desk.claim_one(evening)
    assert lead.not_after <= evening + MINUTE
    refused = await desk.ledger.intend(dial(lead), evening + MINUTE)
    assert isinstance(refused, Refusal)
    assert refused.rule == "calling-hours"
    assert refused.until == NOON + 20 * HOUR  # 8:00 the next morning
    [attempt] = await desk.rows(DialAttempt)
    assert (attempt["outcome"], attempt["rule"]) == ("refused", "calling-hours")
    [row] = await desk.rows(Lead)
    assert (row["state"], row["next_us"], row["attempts"]) == ("new", refused.until, 0)
    assert await desk.ledger.open_intents() == ()


async def three_busy_dials(desk: Desk, terms: CampaignTerms) -> tuple[ClaimedLead, int]:
    """One number, dialled and busy three times; its lead, and when it may be dialled again by its campaign."""
    await desk.definitions.campaigns.set_terms(SPRING, terms)
    await desk.load(new_york(1))
    now = NOON
    for _ in range(3):
        lead = await desk.claim_one(now)
        assert isinstance(await desk.ledger.intend(dial(lead), now), Intent)
        await desk.end(lead, Outcome.BUSY, now + MINUTE)
        now += 2 * MINUTE
    return lead, now


async def test_a_number_is_dialled_three_times_a_day_at_most(desk: Desk) -> None:
    _, now = await three_busy_dials(desk, CampaignTerms(retry_s={"busy": 1.0}, rules=Rules(intervals=())))
    refused = await desk.ledger.intend(dial(await desk.claim_one(now)), now)
    assert isinstance(refused, Refusal)
    assert (refused.rule, refused.until) == ("daily-cap", NOON + DAY)
    assert (await desk.leads.claim(SPRING, 1, NOON + DAY - 1)).leads == ()
    assert isinstance(await desk.ledger.intend(dial(await desk.claim_one(NOON + DAY)), NOON + DAY), Intent)


async def test_a_number_without_caps_and_intervals_is_dialled_as_often_as_asked(desk: Desk) -> None:
    _, now = await three_busy_dials(desk, CampaignTerms(retry_s={"busy": 1.0}, rules=Rules(caps=(), intervals=())))
    assert isinstance(await desk.ledger.intend(dial(await desk.claim_one(now)), now), Intent)


async def test_who_opts_out_between_claim_and_dial_is_not_called(desk: Desk) -> None:
    await desk.load(new_york(1), new_york(2))
    first, second = (await desk.leads.claim(SPRING, 2, NOON)).leads
    await desk.dnc.add(new_york(1), NOON, by="test")
    refused = await desk.ledger.intend(dial(first), NOON)
    assert isinstance(refused, Refusal)
    assert refused.rule == "do-not-call"
    await desk.ledger.intend(dial(second), NOON)
    await desk.dnc.opt_out(second.attempt_id, NOON + 1)
    await desk.end(second, Outcome.ABANDONED, NOON + MINUTE)
    assert await desk.leads.counts(SPRING) == {"dnc": 2}
    entry = await desk.dnc.check(new_york(2))
    assert entry is not None
    assert (entry.source, entry.by) == ("opt-out", second.attempt_id)


async def test_an_opt_out_of_the_journal_is_kept_even_if_the_list_lost_it(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    unknown = AttemptId("att_unknown")
    await desk.tell(
        *(PersonOptedOut(at=NOON, attempt_id=id_, campaign_id=SPRING) for id_ in (lead.attempt_id, unknown))
    )
    assert await desk.dnc.check(new_york(1)) is not None
    assert await desk.dnc.size() == 1
    with pytest.raises(NotFound):
        await desk.dnc.opt_out(unknown, NOON)


async def test_an_erased_person_is_not_called(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.vault.erase(lead.number)
    refused = await desk.ledger.intend(dial(lead), NOON)
    assert isinstance(refused, Refusal)
    assert refused.rule == "erased"
    assert await desk.leads.counts(SPRING) == {"done": 1}


async def test_an_outcome_is_set_once(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    await desk.end(lead, Outcome.NO_ANSWER, NOON + MINUTE, cause=19)
    await desk.end(lead, Outcome.CONNECTED, NOON + 2 * MINUTE)
    [attempt] = await desk.rows(DialAttempt)
    assert (attempt["outcome"], attempt["cause"], attempt["outcome_us"]) == ("no-answer", 19, NOON + MINUTE)
    [row] = await desk.rows(Lead)
    assert (row["attempts"], row["last_outcome"], row["state"]) == (1, "no-answer", "new")
    assert row["next_us"] == NOON + MINUTE + 2 * HOUR


@pytest.mark.parametrize(
    ("outcome", "state", "attempts", "after"),
    [
        (Outcome.CONNECTED, "done", 1, None),
        (Outcome.UNALLOCATED, "done", 1, None),
        (Outcome.BUSY, "new", 1, HOUR - MINUTE),  # the interval rule is longer than the delay
        (Outcome.TRUNK, "new", 0, 0),
        (Outcome.NOT_DIALLED, "new", 0, 0),
        (Outcome.LOST, "new", 1, DAY),
        (Outcome.ABANDONED, "new", 1, 3 * DAY),
    ],
)
async def test_leads_are_recycled_by_outcome(
    desk: Desk, outcome: Outcome, state: str, attempts: int, after: int | None
) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    await desk.end(lead, outcome, NOON + MINUTE)
    [row] = await desk.rows(Lead)
    assert (row["state"], row["attempts"], row["attempt_id"]) == (state, attempts, None)
    if after is not None:
        assert row["next_us"] == NOON + MINUTE + after


async def test_a_lead_is_done_after_its_last_attempt(desk: Desk) -> None:
    await desk.definitions.campaigns.set_terms(SPRING, CampaignTerms(max_attempts=2))
    await desk.load(new_york(1))
    now = NOON
    for _ in range(2):
        lead = await desk.claim_one(now)
        assert isinstance(await desk.ledger.intend(dial(lead), now), Intent)
        await desk.end(lead, Outcome.NO_ANSWER, now)
        now += 3 * HOUR
    assert await desk.leads.counts(SPRING) == {"done": 1}


async def test_a_trunk_that_failed_does_not_use_up_the_cap(desk: Desk) -> None:
    await desk.load(new_york(1))
    for n in range(5):
        now = NOON + n * HOUR
        lead = await desk.claim_one(now)
        assert isinstance(await desk.ledger.intend(dial(lead), now), Intent)
        await desk.end(lead, Outcome.TRUNK, now)


async def test_a_number_that_no_trunk_takes_is_tried_ever_less_and_then_no_more(desk: Desk) -> None:
    await desk.load(new_york(1))
    now, waits = NOON, []
    for _ in range(MOST_UNRUNG):
        lead = await desk.claim_one(now)
        assert isinstance(await desk.ledger.intend(dial(lead), now), Intent)
        await desk.end(lead, Outcome.TRUNK, now)
        [row] = await desk.rows(Lead)
        waits.append((row["next_us"] - now) // MINUTE)
        assert (await desk.leads.claim(SPRING, 1, row["next_us"] - 1)).leads == ()
        now = max(row["next_us"], now + 1)
        now += (NOON - now) % DAY if waits[-1] >= 60 else 0  # within calling hours
    assert waits == [0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440]
    assert await desk.leads.counts(SPRING) == {"done": 1}
    assert (row["attempts"], row["unrung"], row["last_outcome"]) == (0, MOST_UNRUNG, "trunk")


async def test_a_list_tells_of_numbers_that_no_trunk_takes(desk: Desk) -> None:
    await desk.load(new_york(1))
    shown = StoredLeads(desk.database, _no_vault, lambda: NOON)
    words = []
    for unrung, state in ((2, "new"), (3, "new"), (MOST_UNRUNG, "done")):
        async with desk.database.writing() as connection:
            await connection.execute(update(table(Lead)).values(unrung=unrung, state=state))
        [lead] = (await shown.list(WantedLeads())).items
        assert lead.unrung == unrung
        words.append(lead.why)
    assert words[0] == ""
    assert words[1].startswith("3 dials in a row reached nobody's telephone: each waits longer now, 11 more end it")
    assert words[2].startswith("given up: 14 dials in a row")


async def test_one_dial_that_rings_forgives_those_that_did_not(desk: Desk) -> None:
    await desk.load(new_york(1))
    now = NOON
    for outcome, unrung in ((Outcome.TRUNK, 1), (Outcome.NOT_DIALLED, 2), (Outcome.BUSY, 0), (Outcome.TRUNK, 1)):
        lead = await desk.claim_one(now)
        assert isinstance(await desk.ledger.intend(dial(lead), now), Intent)
        await desk.end(lead, outcome, now)
        [row] = await desk.rows(Lead)
        assert row["unrung"] == unrung
        now = row["next_us"]


async def test_the_cap_outlasts_the_person_s_erasure(desk: Desk) -> None:
    lead, now = await three_busy_dials(desk, CampaignTerms(retry_s={"busy": 1.0}, rules=Rules(intervals=())))
    await desk.vault.erase(lead.number)
    again = await desk.load(new_york(1), now=now)
    assert again.accepted == 1, "nobody knows him any more"
    # The old lead goes by his token, which stands for nothing now.
    refusals = []
    for each in (await desk.leads.claim(SPRING, 2, now)).leads:
        answer = await desk.ledger.intend(dial(each), now)
        assert isinstance(answer, Refusal)
        refusals.append((answer.rule, answer.until))
    assert sorted(refusals) == [("daily-cap", NOON + DAY), ("erased", 0)]


async def test_the_cap_counts_whatever_token_a_number_has(desk: Desk) -> None:
    """A vault that forgot a value gives it a second token; the number has rung all the same."""
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    await desk.end(lead, Outcome.BUSY, NOON)
    async with desk.database.writing() as connection:
        token = (await connection.execute(select(table(PersonalData)))).mappings().one()
        await connection.execute(insert(table(PersonalData)).values(dict(token) | {"id": "num_second"}))
        await connection.execute(update(table(Lead)).values(number="num_second", next_us=NOON))
    answer = await desk.ledger.intend(dial(await desk.claim_one()), NOON + 1)
    assert isinstance(answer, Refusal)
    assert answer.rule == "interval"


@pytest.mark.parametrize(
    ("rules", "rule"),
    [
        ('{"caps":[{"id":"mad-cap","within_s":1e300}]}', "mad-cap"),
        ('{"caps":[{"id":"mad-cap","limit":-1}]}', "mad-cap"),
        ('{"intervals":[{"id":"mad-interval","seconds":-1e18}]}', "mad-interval"),
        ('{"after_abandoned":[{"id":"mad-interval","seconds":1e18}]}', "mad-interval"),
        ('{"hours":[{"id":"mad-hours","spans":[{"weekdays":[9],"start":0,"end":9999}]}]}', "mad-hours"),
        ('{"hours":17}', "campaign-unusable"),
    ],
)
async def test_a_campaign_with_a_mad_rule_spoils_no_other(desk: Desk, rules: str, rule: str) -> None:
    autumn = CampaignId("autumn")
    await desk.load(new_york(1), new_york(2), new_york(3))
    await desk.definitions.campaigns.add(replace(POLICY, id=autumn))  # type: ignore[type-var]
    leads = (await desk.leads.claim(SPRING, 3, NOON)).leads
    campaigns = table(Campaign)
    async with desk.database.writing() as connection:  # as a restored backup of another version may have it
        mad = update(campaigns).where(campaigns.c.id == autumn)
        await connection.execute(mad.values(terms=f'{{"rules":{rules}}}'))
    first, mad_one, last = await asyncio.gather(
        desk.ledger.intend(dial(leads[0]), NOON),
        desk.ledger.intend(dial(leads[1], autumn), NOON),
        desk.ledger.intend(dial(leads[2]), NOON),
    )
    assert isinstance(first, Intent)
    assert isinstance(last, Intent)
    assert isinstance(mad_one, Refusal)
    assert (mad_one.rule, mad_one.kept) == (rule, True)
    assert mad_one.says
    kept = {row["id"]: (row["outcome"], row["rule"]) for row in await desk.rows(DialAttempt)}
    assert kept[leads[1].attempt_id] == ("refused", rule)
    await desk.end(leads[0], Outcome.BUSY, NOON)
    await desk.tell(*(replace(ended(lead, Outcome.BUSY, NOON), campaign_id=autumn) for lead in leads[1:]))  # type: ignore[type-var]
    assert {row["outcome"] for row in await desk.rows(DialAttempt)} == {"busy", "refused"}
    [given_back] = [row for row in await desk.rows(Lead) if row["id"] == leads[1].lead_id]
    assert (given_back["state"], given_back["attempt_id"]) == ("new", None)
    assert given_back["next_us"] > NOON


async def test_of_a_campaign_with_a_mad_rule_nobody_is_claimed(desk: Desk) -> None:
    await desk.load(new_york(1))
    terms = '{"rules":{"hours":[{"id":"mad","spans":[{"weekdays":[0],"start":0,"end":9999}]}]}}'
    async with desk.database.writing() as connection:
        await connection.execute(update(table(Campaign)).values(terms=terms))
    claim = await desk.leads.claim(SPRING, 1, NOON)
    assert (claim.leads, claim.reasons) == ((), {"mad": 1})
    async with desk.database.writing() as connection:
        await connection.execute(update(table(Campaign)).values(terms='{"rules":17}'))
    with pytest.raises(ConfigError, match="campaign spring: its definition in the database cannot be read"):
        await desk.leads.claim(SPRING, 1, NOON)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(caps=(CapRule(id="mad", within_s=float("inf")),)),
        Rules(caps=(CapRule(id="mad", limit=10_000),)),
        Rules(intervals=(IntervalRule(id="mad", seconds=float("nan")),)),
        Rules(after_abandoned=(IntervalRule(id="mad", seconds=1e12),)),
        Rules(hours=(HoursRule(id="mad", spans=(OpenSpan(weekdays=(0,), start=0, end=25 * 60),)),)),
    ],
)
async def test_a_mad_rule_is_not_even_stored(desk: Desk, rules: Rules) -> None:
    with pytest.raises(ConfigError, match="mad"):
        await desk.definitions.campaigns.set_terms(SPRING, CampaignTerms(rules=rules))


async def test_a_dial_that_failed_without_an_intent_gives_its_lead_back(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.end(lead, Outcome.NOT_DIALLED, NOON)
    [row] = await desk.rows(Lead)
    assert (row["state"], row["attempts"], row["attempt_id"]) == ("new", 0, None)
    late = await desk.ledger.intend(dial(lead), NOON)
    assert late == Refusal(attempt_id=lead.attempt_id, rule="lead-not-claimed", kept=False)


async def test_settle_finds_the_intent_or_makes_sure_that_there_is_none(desk: Desk) -> None:
    await desk.load(new_york(1), new_york(2))
    written, unwritten = (await desk.leads.claim(SPRING, 2, NOON)).leads
    intent = await desk.ledger.intend(dial(written), NOON)
    assert await desk.ledger.settle(written.attempt_id) == intent
    assert await desk.ledger.settle(unwritten.attempt_id) is None
    late = await desk.ledger.intend(dial(unwritten), NOON)
    assert isinstance(late, Refusal)
    assert await desk.leads.counts(SPRING) == {"dialled": 1, "new": 1}
    await desk.end(written, Outcome.BUSY, NOON)
    assert await desk.ledger.settle(written.attempt_id) is None


async def test_a_locked_ledger_stops_dialling_within_a_second(desk: Desk) -> None:
    await desk.load(new_york(1), new_york(2))
    first, second = (await desk.leads.claim(SPRING, 2, NOON)).leads
    ledger = Ledger(desk.database, within_s=0.3)
    async with desk.database.writing() as blocker:  # SQLite locks the whole file, PostgreSQL these rows
        await blocker.execute(update(table(Lead)).values(segment="held"))
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="ledger"):
            await ledger.intend(dial(first), NOON)
        with pytest.raises(StoreUnavailable):
            await ledger.settle(first.attempt_id)
        assert time.monotonic() - begun < 1.0
    # The writers were given up: whatever they do now that the lock is free, they write nothing.
    assert await desk.ledger.settle(first.attempt_id) is None
    assert await desk.rows(DialAttempt) == []
    assert isinstance(await ledger.intend(dial(second), NOON), Intent)


async def test_whoever_waits_no_longer_is_not_written_for(desk: Desk) -> None:
    await desk.load(*(new_york(n) for n in range(3)))
    leads = (await desk.leads.claim(SPRING, 3, NOON)).leads
    async with desk.database.writing() as blocker:
        await blocker.execute(update(table(Lead)).values(segment="held"))
        waiting = [asyncio.create_task(desk.ledger.intend(dial(lead), NOON)) for lead in leads]
        await asyncio.sleep(0)  # all of them are in line
        waiting[1].cancel()
        await asyncio.wait({waiting[1]})
    assert isinstance(await waiting[0], Intent)
    assert isinstance(await waiting[2], Intent)
    written = {row["id"] for row in await desk.rows(DialAttempt)}
    assert {leads[0].attempt_id, leads[2].attempt_id} <= written
    # The one that was cancelled may be written or not; `settle` tells which, and keeps it so.
    assert (await desk.ledger.settle(leads[1].attempt_id) is not None) is (leads[1].attempt_id in written)


async def test_a_dial_of_no_campaign_spoils_no_other(desk: Desk) -> None:
    await desk.load(new_york(1), new_york(2))
    first, second = (await desk.leads.claim(SPRING, 2, NOON)).leads
    wrong, right = await asyncio.gather(
        desk.ledger.intend(dial(first, CampaignId("autumn")), NOON),
        desk.ledger.intend(dial(second), NOON),
        return_exceptions=True,
    )
    assert isinstance(wrong, NotFound)
    assert isinstance(right, Intent)


async def test_two_intents_at_once_make_one(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    results = await asyncio.gather(*(desk.ledger.intend(dial(lead), NOON) for _ in range(4)))
    assert sum(isinstance(result, Intent) for result in results) == 1


async def test_budgets_count_live_answers_in_their_windows(desk: Desk) -> None:
    windows = (Window.RUN, Window.ROLLING_30_DAYS, Window.BLOCK_30_DAYS, Window.CALENDAR_MONTH, Window.DAY)
    policy = replace(  # type: ignore[type-var]
        POLICY,
        budgets=(*(Budget(window=window) for window in windows), Budget(of_seller=True)),
        forecast_answers=10,
    )
    begun = NOON - 40 * DAY
    await desk.tell(CampaignMoved(at=begun, campaign_id=SPRING, old=CampaignState.STOPPED, new=CampaignState.RUNNING))
    outcomes = [
        (begun, Outcome.CONNECTED),
        (NOON - 30 * DAY - 1, Outcome.ABANDONED),  # just before the rolling window
        (NOON - 30 * DAY, Outcome.ABANDONED),
        (NOON - 10 * DAY + 1, Outcome.HUNG_UP_EARLY),
        (NOON - 2 * DAY, Outcome.MACHINE),
        (NOON - 1, Outcome.ABANDONED),
        (NOON, Outcome.CONNECTED),
    ]
    await desk.load(*(new_york(n) for n in range(len(outcomes))), now=begun)
    leads = (await desk.leads.claim(SPRING, 10, begun)).leads
    for lead, (at, outcome) in zip(leads, outcomes, strict=True):
        assert isinstance(await desk.ledger.intend(dial(lead), begun), Intent)
        await desk.end(lead, outcome, at)
    tallies = await desk.budgets.tallies(policy, NOON)
    seen = [(tally.window, tally.answers, tally.drops) for tally in tallies]
    assert seen == [
        (Window.RUN, 6, 3),
        (Window.ROLLING_30_DAYS, 3, 2),  # the answer that slides out within a working day is no proof, its drop counts
        (Window.BLOCK_30_DAYS, 3, 1),
        (Window.CALENDAR_MONTH, 2, 1),
        (Window.DAY, 2, 1),
        (Window.ROLLING_30_DAYS, 3, 2),
    ]
    assert tallies[5] == Tally(window=Window.ROLLING_30_DAYS, of_seller=True, answers=3, drops=2, forecast=0)
    assert tallies[0].forecast == 4


async def test_a_day_that_slides_is_promised_nothing_of_what_it_forgets(desk: Desk) -> None:
    policy = replace(POLICY, budgets=(Budget(window=Window.DAY),), forecast_answers=300)  # type: ignore[type-var]
    await desk.tell(
        CampaignMoved(at=NOON - 2 * DAY, campaign_id=SPRING, old=CampaignState.STOPPED, new=CampaignState.RUNNING)
    )
    await desk.load(*(new_york(n) for n in range(20)))
    for lead in (await desk.leads.claim(SPRING, 20, NOON)).leads:
        await desk.ledger.intend(dial(lead), NOON)
        await desk.end(lead, Outcome.CONNECTED, NOON - 23 * HOUR)
    [tally] = await desk.budgets.tallies(policy, NOON)
    assert (tally.answers, tally.forecast) == (0, 0)


async def test_a_block_that_ends_soon_counts_on_little(desk: Desk) -> None:
    policy = replace(POLICY, budgets=(Budget(window=Window.BLOCK_30_DAYS),), forecast_answers=1_200)  # type: ignore[type-var]
    begun = NOON - 30 * DAY + 6 * HOUR
    await desk.tell(CampaignMoved(at=begun, campaign_id=SPRING, old=CampaignState.STOPPED, new=CampaignState.RUNNING))
    [tally] = await desk.budgets.tallies(policy, NOON)
    assert tally.forecast == 600


async def test_what_campaigns_and_trunks_did_is_kept_in_spans(desk: Desk) -> None:
    states = CampaignState
    await desk.tell(
        CampaignMoved(at=NOON, campaign_id=SPRING, old=states.STOPPED, new=states.RUNNING),
        TrunkMoved(at=NOON + 1, trunk_id=TRUNK, state="open", reason="503"),
        TrunkMoved(at=NOON + 2, trunk_id=TRUNK, state="closed"),
        CampaignMoved(at=NOON + 3, campaign_id=SPRING, old=states.RUNNING, new=states.PAUSED, reason="budget"),
    )
    spans = [(row["state"], row["start_us"], row["end_us"]) for row in await desk.rows(CampaignSpan)]
    assert spans == [("running", NOON, NOON + 3), ("paused", NOON + 3, None)]
    assert [(row["reason"], row["end_us"]) for row in await desk.rows(TrunkSpan)] == [("503", NOON + 2)]
    standing = await desk.definitions.campaigns.standing(SPRING)
    assert (standing.state, standing.begun_us) == (states.PAUSED, NOON)


def test_the_interval_of_the_rules_is_the_shortest_recycling() -> None:
    rules = Rules(intervals=(IntervalRule(id="a", seconds=10.0), IntervalRule(id="b", seconds=30.0)))
    assert CampaignTerms(rules=rules).min_interval_us == 30_000_000


async def test_without_a_forecast_the_schedule_and_the_list_give_one(database: Database, tmp_path: Path) -> None:
    terms = CampaignTerms(schedule=(OpenSpan(weekdays=tuple(range(7)), start=0, end=24 * 60),))
    desk = await open_desk(database, tmp_path, terms)
    await desk.load(*(new_york(n) for n in range(1, 81)))
    await desk.tell(
        CampaignMoved(at=NOON - HOUR, campaign_id=SPRING, old=CampaignState.STOPPED, new=CampaignState.RUNNING)
    )
    for lead in (await desk.leads.claim(SPRING, 60, NOON)).leads:
        await desk.ledger.intend(dial(lead), NOON)
        await desk.end(lead, Outcome.CONNECTED, NOON + MINUTE)
    [tally, *_] = await desk.budgets.tallies(POLICY, NOON + HOUR)
    assert tally.answers == 60
    assert 0 < tally.forecast <= 20, "twenty leads are left"
