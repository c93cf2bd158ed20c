"""A campaign as it really went: what the store has kept of it, in plain values for whoever plays it again.

All instants are UTC µs, all durations µs.
"""

from __future__ import annotations

from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignPolicy
from engine.domain.policy import TrunkPolicy
from engine.domain.values import AgentId, Value


class RecordedDial(Value):
    """One attempt that left for the network, or of which nobody knows whether it did (`outcome` None or lost).

    `ended_at`: when its outcome was sure, which of a connected one is the end of the talk. Instants are 0 where it did
    not happen; `talk_us` and `wrap_us` are None where nobody was joined, or the agent is not done yet.
    """

    dialled_at: int
    outcome: Outcome | None = None
    answered_at: int = 0
    connected_at: int = 0
    ended_at: int = 0
    cause: int = 0
    talk_us: int | None = None
    wrap_us: int | None = None


class RecordedSpan(Value):
    """From `begin` up to, not including, `end`. `agent_id` None: the whole campaign."""

    begin: int
    end: int
    agent_id: AgentId | None = None


class RecordedCampaign(Value):
    """Everything of one campaign between two instants.

    `dials` in the order in which they were dialled. `at_work`: who took its calls was signed in and ready, or at a
    call. `elsewhere`: the same agents' talks and wrap-ups for others. `running`: the campaign ran; nothing where
    unknown.
    """

    policy: CampaignPolicy
    dials: tuple[RecordedDial, ...]
    at_work: tuple[RecordedSpan, ...]
    elsewhere: tuple[RecordedSpan, ...] = ()
    running: tuple[RecordedSpan, ...] = ()
    trunks: tuple[TrunkPolicy, ...] = ()
