"""The floor's screen: nothing runs over the edge of any terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cli import floor_campaigns
from cli.floor_screen import picture, rows_that_fit
from tests.web.memory_outbound import BUDGET, LIVE

AT = "2026-03-29T08:30:00Z"


PACE = (
    "as many calls as keep the risk of an unanswered person at its price; held back: the budget bears no abandoned"
    " call: no more calls than free agents"
)


def campaign(n: int = 0, **more: Any) -> dict[str, Any]:
    """A campaign as the screen gets it."""
    return {
        "id": f"spring-{n}",
        "name": "Spring",
        "mode": "predictive",
        "state": "running",
        "agents": {"staffed": 6, "free": 1, "talking": 4, "wrapping": 1, "paused": 0},
        "lines": {"up": 14, "ringing": 9, "waiting": 0},
        "answer_rate": 0.312,
        "agent_utilisation": 0.857,
        "budget": {
            "window": "run",
            "cap": 0.03,
            "answers": 930,
            "drops": 12,
            "rate": 0.0129,
            "upper95": 0.02,
            "allowed": 249,
        },
        "pace": PACE,
        **more,
    }


def floor(queues: int = 2, agents: int = 5, calls: int = 3, campaigns: int = 0, **more: Any) -> dict[str, Any]:
    """A floor of this size."""
    states = ("available", "talking", "not-ready", "offline", "wrap-up")
    return {
        "at": AT,
        "site": "main",
        "version": "0.1.0",
        "asterisk": "22.10.1",
        "epoch": 1,
        "blind": False,
        "draining": False,
        "backlog": 0,
        "queues": [
            {
                "id": f"q{n}",
                "name": f"队列 {n}",
                "open": n != 1,
                "waiting": n,
                "offered": 0,
                "talking": 1,
                "longest_wait_s": 65.0 * n,
                "agents_signed_in": 2,
                "agents_free": 1,
                "service_level": {"value": 0.8},
                "service_level_s": 20.0,
            }
            for n in range(queues)
        ],
        "agents": [
            {"id": f"{1000 + n}", "name": "Ada Byron", "state": states[n % 5], "since": AT, "reason": "lunch" * (n % 2)}
            for n in range(agents)
        ],
        "calls": [
            {
                "id": f"ix_01KABCDEFGHJKMNPQRSTVWXY{n:02}",
                "state": "talking" if n % 2 else "in-flow",
                "caller": "+44••••21",
                "arrived": "2026-03-29T08:29:00Z",
                "flow": "main-en",
                "node": "welcome",
                "queue_id": "sales" if n % 2 else None,
                "campaign_id": None,
                "agent_id": "1001" if n % 2 else None,
                "held": False,
            }
            for n in range(calls)
        ],
        "totals": dict.fromkeys(
            ("arrived", "in_progress", "ended_in_flow", "answered", "abandoned", "overflowed", "callback", "lost"), 3
        )
        | {"asa_s": 4.2},
        "campaigns": [campaign(n) for n in range(campaigns)],
        "deadline": {"at": "2026-03-29T08:30:04Z", "why": "wrap-up", "subject": "1001"},
        "links": [{"name": "ami", "up": True, "state": "up", "detail": ""}],
        **more,
    }


def drawn(width: int, height: int | None, **size: Any) -> list[str]:
    """The screen's lines."""
    out = Console(file=StringIO(), width=width, height=height or 24, color_system=None, highlight=False)
    out.print(picture(floor(**size), width=width, height=height, timezone="Europe/London"))
    assert isinstance(out.file, StringIO)
    return out.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_everything_is_there(width: int) -> None:
    text = "\n".join(drawn(width, None))
    for word in (
        "main",
        "09:30:00",
        "队列 0",
        "(closed)",
        "Ada Byron",
        "lunch",
        "+44••••21",
        "main-en/welcome",
        "1:00",
    ):
        assert word in text
    assert "next: wrap-up of 1001 in 4 s" in text


@settings(max_examples=60)
@given(
    st.sampled_from([80, 139, 140, 200]),
    st.integers(14, 60),
    st.integers(0, 30),
    st.integers(0, 80),
    st.integers(0, 80),
    st.integers(0, 20),
)
def test_nothing_runs_out_of_the_screen(
    width: int, height: int, queues: int, agents: int, calls: int, campaigns: int
) -> None:
    lines = drawn(width, height, queues=queues, agents=agents, calls=calls, campaigns=campaigns)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_what_does_not_fit_is_counted() -> None:
    assert "… " in "\n".join(drawn(80, 24, agents=50, calls=50))
    assert rows_that_fit(floor(), None, wide=False).agents is None


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_a_campaign_has_its_line_and_its_reason(width: int, height: int) -> None:
    text = "\n".join(drawn(width, height, campaigns=1, agents=20, calls=20))
    for word in ("spring-0", "predictive", "running", "5/6", "14", "31.2%", "85.7%", "12 of 249"):
        assert word in text
    assert " ".join(PACE.split()) in " ".join(text.split())
    assert ("12 of 249 allowed (1.3% of 930 answers, cap 3.0%)" in text) is (width >= 110)


def test_campaigns_that_rest_take_no_room() -> None:
    at_rest = [campaign(0, state="stopped", lines={"up": 0, "ringing": 0, "waiting": 0}), campaign(1, state="paused")]
    shown = floor_campaigns.shown([*at_rest, campaign(2, state="stopped")])
    assert [each["id"] for each in shown] == ["spring-1", "spring-2"]
    assert "CAMPAIGN" not in "\n".join(drawn(80, None))


def test_reasons_go_before_campaigns_do() -> None:
    rows = [campaign(n) for n in range(5)]
    assert floor_campaigns.section(rows, 80, None)[1] == 1 + 5 + 2 * 5
    assert floor_campaigns.section(rows, 80, 10)[1] == 1 + 5
    assert floor_campaigns.section(rows, 80, 4)[1] == 1 + 2 + 1
    assert floor_campaigns.section(rows, 80, 2) == ([], 0)
    assert floor_campaigns.section([], 80, 20) == ([], 0)


def test_what_is_said_of_a_campaign() -> None:
    live = msgspec.to_builtins(LIVE)
    standings = [msgspec.to_builtins(BUDGET), msgspec.to_builtins(BUDGET) | {"window": "24-hours", "bears": 20}]
    view = {"id": "a", "name": "A", "mode": "predictive", "state": "running", "live": live, "standings": standings}
    today = {"attempts": 110, "open": 10, "live_answers": 30, "agent_utilisation": 0.81}
    line = floor_campaigns.line_of(view, today)
    assert (line["answer_rate"], line["agent_utilisation"]) == (0.3, 0.81)
    assert (line["budget"]["window"], line["budget"]["drops"], line["budget"]["allowed"]) == ("24-hours", 19, 20)
    assert line["pace"].startswith("one more call would risk more than its price; held back: as many calls as")
    at_rest = floor_campaigns.line_of(view | {"live": None, "standings": []}, None)
    assert (at_rest["answer_rate"], at_rest["budget"], at_rest["pace"]) == (None, None, "")
    assert floor_campaigns.budget_words(None, detailed=True) == "no budget"


def test_trouble_is_seen() -> None:
    links = [{"name": "ami", "up": False, "state": "connecting", "detail": "refused"}]
    text = "\n".join(drawn(200, None, blind=True, draining=True, links=links, backlog=7, deadline=None))
    for word in ("BLIND", "DRAINING", "nothing is due  |  backlog 7  |  ami: refused", "main 2026", "ami:down | BLIND"):
        assert word in text


def test_the_sites_clock() -> None:
    assert datetime.fromisoformat(AT).astimezone(UTC).hour == 8
    assert "09:30:00" in drawn(80, None)[0]


def test_what_is_not_there_is_named() -> None:
    text = "\n".join(drawn(200, None, queues=0, agents=1, calls=0))
    assert "no queues" in text
    assert "no calls" in text
    assert "ami:up | Asterisk 22.10.1" in text
