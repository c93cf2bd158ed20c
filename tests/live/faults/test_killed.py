"""The engine is killed with SIGKILL while callers are in a flow, in a queue, in a talk; its watch brings it back."""

from __future__ import annotations

import pytest

from engine.domain.agent import AgentState
from engine.domain.events import AgentMoved, InteractionEnded, InteractionOffered
from engine.domain.facts import ControlGained
from engine.domain.interaction import InteractionState as S
from engine.lab.truth import Truth
from tests.live.faults.conftest import Count
from tests.live.hall import MENU, Hall, open_hall
from tests.live.sound import longest_gap_s, longest_silence_s

pytestmark = pytest.mark.timeout(240)
PICKED_UP_S = 5.0
AGENT_TONE = 1850


async def test_in_a_flow_nobody_is_dropped_and_everybody_is_asked_again(count: Count) -> None:
    many = count(6, 20)
    async with open_hall(nailed=1) as hall:
        calls = await hall.call(many, MENU, wait=120.0, listen=True)
        await hall.until_counted({S.IN_FLOW: many})
        before = hall.engine.starts

        hall.engine.kill()
        back = await hall.engine.until_back(before)
        picked = [0.0]

        def all_asked(_state: object) -> bool:
            asked = {
                record.fact.leg: record.now / 1e6
                for record in reversed(hall.engine.records())
                if isinstance(record.fact, ControlGained) and record.now / 1e6 > back
            }
            picked[:] = asked.values()
            return len(asked) >= many

        await hall.engine.until(all_asked, 20.0, "everybody is in hand again")
        assert sorted(hall.up(calls)) == sorted(calls)
        print(f"picked up after {max(picked) - back:.1f} s at the latest")
        assert max(picked) - back <= PICKED_UP_S
        await hall.verify()
        for call in calls:
            await hall.site.pstn.hang_up(call)
        await hall.until_over(calls)
        silence = max(longest_silence_s(ear) for ear in hall.ears.values())
        print(f"longest silence {silence:.1f} s")
        assert silence <= 12.0
        await hall.all_is_well(many, {"ended-in-flow": many})


async def test_in_a_queue_order_and_waiting_time_are_kept(count: Count) -> None:
    many, agents = count(6, 20), count(1, 4)
    async with open_hall(nailed=agents) as hall:
        calls = await hall.call(many, talk=1.0, wait=200.0, listen=True)
        state = await hall.until_counted({S.WAITING: many})
        entered = {str(i.id): i.entered_at for i in state.interactions.values()}
        before = hall.engine.starts

        hall.engine.kill()
        back = await hall.engine.until_back(before)
        state = hall.engine.state()
        assert {str(i.id): i.entered_at for i in state.interactions.values() if i.state is S.WAITING} == entered
        assert sorted(hall.up(calls)) == sorted(calls)
        await hall.verify()
        await hall.sign_in(*(f"{1001 + n}" for n in range(agents)))
        await hall.until_over(calls, 30.0 + 8.0 * many)

        offered = [str(e.interaction_id) for e in hall.engine.events() if isinstance(e, InteractionOffered)]
        assert offered == sorted(entered, key=lambda each: entered[each])
        free = next(e.at for e in hall.engine.events() if isinstance(e, AgentMoved) and e.new is AgentState.AVAILABLE)
        first = hall.answered()[0]
        assert first.waited_us == pytest.approx(first.at - entered[offered[0]], abs=1)
        print(f"sees {(state.now / 1e6) - back:.1f} s after its start; first answer {(first.at - free) / 1e3:.0f} ms")
        assert len(hall.site.pstn.truth().talked()) == many
        assert max(longest_silence_s(ear) for ear in hall.ears.values()) <= 12.0
        await hall.all_is_well(many, {"answered": many})


async def test_in_a_talk_both_hear_each_other_throughout_and_who_left_meanwhile_ends_once(count: Count) -> None:
    many = count(6, 20)
    async with open_hall(nailed=many) as hall:
        codes = [f"{1001 + n}" for n in range(many)]
        await hall.sign_in(*codes, within_s=40.0 + 3.0 * many)
        calls = await hall.call(many, talk=300.0, listen=True)
        state = await hall.until_counted({S.TALKING: many})
        since = {i.id: i.talk_since for i in state.interactions.values()}
        await hall.site.pstn.until_truth(lambda truth: len(truth.talked()) == many)

        died = await hall.engine.kill_for_good()
        await hall.site.pstn.hang_up(calls[0])
        await hall.site.pstn.until_truth(lambda truth: _heard_since(truth, died + 8.0) == many - 1)
        await hall.engine.start()
        state = await hall.until_counted({S.TALKING: many - 1}, 10.0)
        assert sorted(hall.up(calls)) == sorted(calls[1:])
        kept = {i.id: i.talk_since for i in state.interactions.values() if i.state is S.TALKING}
        assert kept.items() <= since.items()
        await hall.engine.until(
            lambda floor: (
                [a.state for a in floor.agents.values()].count(AgentState.TALKING) == many - 1
                and [a.state for a in floor.agents.values()].count(AgentState.AVAILABLE) == 1
            ),
            what="one agent free again, the others talking",
        )
        await hall.verify()
        for call in calls[1:]:
            await hall.site.pstn.hang_up(call)
        await hall.until_over(calls)
        gap = max(longest_gap_s(hall.ears[call], AGENT_TONE) for call in calls[1:])
        print(f"longest gap in the agent's tone {gap:.1f} s")
        assert gap <= 0.5
        await hall.all_is_well(many, {"answered": many})
        _talk_times_are_true(hall, calls[1:])


def _heard_since(truth: Truth, moment: float) -> int:
    """At how many desks the caller's tone was heard after that moment."""
    desks = {call.desk for call in truth.calls if call.desk}
    return sum(max(truth.heard(code), default=0.0) > moment for code in desks)


def _talk_times_are_true(hall: Hall, calls: list[str]) -> None:
    """What we count as talk is what the far side saw, from hearing the agent to the end."""
    far = sorted(leg.ended - leg.heard[0] for call in calls if (leg := hall.leg(call)).ended)
    ended = [e.talk_us / 1e6 for e in hall.engine.events() if isinstance(e, InteractionEnded)]
    ours = sorted(ended)[-len(far) :]
    print("talk times off by at most", max(abs(a - b) for a, b in zip(far, ours, strict=True)))
    assert ours == pytest.approx(far, abs=1.5)
