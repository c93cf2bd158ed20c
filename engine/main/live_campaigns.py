"""Campaigns of a running engine: what is asked takes effect at once; their pace is shown with its reason."""

from __future__ import annotations

from engine.domain.campaign import CampaignId, CampaignPolicy, CampaignState
from engine.domain.facts import CampaignDefined, CampaignRemoved
from engine.errors import Conflict
from engine.floor.state import Campaign
from engine.main import campaign_sights
from engine.main.campaigns import StoredCampaigns
from engine.main.definitions import wish
from engine.main.engine import Engine
from engine.main.rolls import BY, tell
from engine.runtime.outbound import CampaignLive
from engine.store.campaigns import Standing


class LiveCampaigns(StoredCampaigns):
    """Campaigns of a running engine."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.database, engine.loop.clock.now, engine.settings.site.timezone)
        self._engine = engine

    def _known(self, id_: str) -> Campaign | None:
        return self._engine.floor.state.campaigns.get(CampaignId(id_))

    async def _defined(self, policy: CampaignPolicy) -> None:
        await tell(self._engine, CampaignDefined(campaign=policy))

    async def _removed(self, id_: str) -> None:
        await tell(self._engine, CampaignRemoved(campaign_id=CampaignId(id_)))

    def _release(self, id_: str) -> None:
        campaign = self._known(id_)
        if campaign is None:
            return
        if campaign.state is not CampaignState.STOPPED:
            mend = f"`callwright campaign stop {id_}` first."
            raise Conflict(f"campaign {id_} is {campaign.state}", where=f"campaign {id_}", mend=mend)
        if campaign.up:
            raise Conflict(
                f"{campaign.up} calls of campaign {id_} are up", where=f"campaign {id_}", mend="Wait for their end."
            )

    async def _move(self, id_: str, wanted: CampaignState) -> None:
        await tell(self._engine, wish(CampaignId(id_), wanted, BY))

    def _state(self, standing: Standing) -> CampaignState:
        campaign = self._known(standing.policy.id)
        return campaign.state if campaign is not None else standing.state

    def _blind(self) -> bool:
        return self._engine.floor.state.blind

    def _live(self, id_: str) -> CampaignLive | None:
        campaign = self._known(id_)
        if campaign is None:
            return None
        claimed = self._engine.outbound.claimed.get(campaign.policy.id)
        return campaign_sights.live_view(self._engine.floor.state, campaign, claimed, self._timezone)
