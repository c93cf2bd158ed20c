"""A simulated day as the store would have kept it: INTENTs in the ledger, everything else by the projector."""

from __future__ import annotations

from sqlalchemy import insert

from engine.domain.events import AttemptBegun
from engine.store.database import Database
from engine.store.projector import Projector
from engine.store.tables import DialAttempt, table
from tests.simulation.studio import Played


async def keep(database: Database, played: Played) -> None:
    """Fill the tables. The campaign itself must be there, named as the scenario's."""
    intents = [
        {
            "id": each.attempt_id,
            "campaign_id": each.campaign_id,
            "seller": "",
            "lead_id": each.lead_id,
            "number": str(each.lead_id),
            "trunk_id": each.trunk_id,
            "intent_us": each.at,
            "cause": 0,
            "rule": "",
        }
        for each in played.heard(AttemptBegun)
    ]
    async with database.writing() as connection:
        await connection.execute(insert(table(DialAttempt)), intents)
    projector = Projector(database)
    await projector.attach("seed")
    await projector.apply_all([(seq, [event]) for seq, event in enumerate(played.core.events, start=1)])
