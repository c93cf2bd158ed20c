"""Campaigns, leads and the do-not-call list of a store whose engine does not run: the same contracts, nothing live."""

from __future__ import annotations

from pathlib import Path

from engine.main.campaigns import StoredCampaigns
from engine.main.leads import StoredDoNotCall, StoredLeads
from engine.runtime.clock import Clock
from engine.store.database import Database
from engine.store.vault import Vault


class AtRest:
    """What `engine.runtime.outbound.Outbound` promises, over the store alone. `data` is the folder of the vault's key.

    Whoever lets numbers in sees to it that no engine runs: the vault belongs to one process.
    """

    def __init__(self, database: Database, data: Path, timezone: str) -> None:
        now = Clock().now
        self._database = database
        self._data = data
        self._vault: Vault | None = None
        self.campaigns = StoredCampaigns(database, now, timezone)
        self.leads = StoredLeads(database, self._open_vault, now)
        self.do_not_call = StoredDoNotCall(database, self._open_vault, now)

    async def _open_vault(self) -> Vault:
        if self._vault is None:
            self._vault = await Vault.open(self._database, self._data)
        return self._vault
