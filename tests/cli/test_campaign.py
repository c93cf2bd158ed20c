"""Campaigns on the command line: defined, checked, started; what is shown at an engine and over the store alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.campaign_options import spans_of
from engine.errors import UsageError
from tests.cli import keys
from tests.cli.conftest import Callwright
from tests.web.memory import MemoryConsole

SAID = (
    *("--mode", "predictive", "--caller-id", "+442079460000", "--trunk", "a", "--trunk", "b", "--seller", "Acme"),
    *("--cap", "0.02", "--window", "rolling-30-days", "--window", "24-hours", "--of-seller"),
    *("--hours", "mon-fri 9-20", "--hours", "sat 10:30-18", "--daily-cap", "2", "--interval-s", "7200"),
    *("--retry", "busy=600", "--forecast-answers", "2000", "--message", "acme/sorry", "--region", "CN"),
)


@pytest.fixture(params=["store", "engine"])
def office(request: pytest.FixtureRequest, callwright: Callwright) -> Callwright:
    """The command line over a store, and at an engine, with what a campaign needs."""
    if request.param == "engine":
        request.getfixturevalue("engine")
    callwright("queue", "add", "sales")
    for trunk in ("a", "b"):
        callwright("trunk", "add", trunk, "--host", "sip.example.com", "--lines", "30", "--calls-per-second", "2.5")
    return callwright


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    """A list with good, bad and double rows."""
    file = tmp_path / "leads.csv"
    file.write_text("name,phone\nAnn,+442079460123\nBob,020 7946 0124\nBob,+442079460124\nEve,none\n", encoding="utf-8")
    return file


def test_a_campaign_is_defined_changed_and_removed(office: Callwright) -> None:
    made = office("campaign", "create", "autumn", "--queue", "sales", *SAID, "--json")
    assert made.code == 0, made.err
    campaign = made.json
    assert (campaign["name"], campaign["queue_id"], campaign["trunks"]) == ("autumn", "sales", ["a", "b"])
    assert campaign["budgets"] == [
        {"window": "rolling-30-days", "cap": 0.02, "of_seller": True},
        {"window": "24-hours", "cap": 0.02, "of_seller": True},
    ]
    legal, own = campaign["rules"]["hours"]
    assert (legal["id"], own["id"]) == ("calling-hours", "campaign-hours")
    assert own["spans"] == [
        {"weekdays": [0, 1, 2, 3, 4], "start": 540, "end": 1200},
        {"weekdays": [5], "start": 630, "end": 1080},
    ]
    assert [rule["limit"] for rule in campaign["rules"]["caps"]] == [2]
    assert [rule["seconds"] for rule in campaign["rules"]["intervals"]] == [7200.0]
    assert (campaign["retry_s"], campaign["message"]["file"], campaign["region"]) == ({"busy": 600}, "acme/sorry", "CN")
    keys.check("campaign-show", campaign)
    again = office("campaign", "create", "autumn", "--queue", "sales")
    assert (again.code, "`callwright campaign set autumn` changes it" in again.err) == (4, True)
    told = office("campaign", "set", "autumn", "--ring-s", "30", "--mode", "progressive")
    assert told.out == ("Campaign autumn has changed:\n  mode: predictive → progressive\n  ring time: 25 s → 30 s\n")
    kept = office("campaign", "set", "autumn", "--cap", "0.03", "--hours", "sun 10-12", "--json").json
    assert [(each["window"], each["cap"]) for each in kept["budgets"]] == [
        ("rolling-30-days", 0.03),
        ("24-hours", 0.03),
    ]
    assert [rule["id"] for rule in kept["rules"]["hours"]] == ["calling-hours", "campaign-hours"]
    assert office("campaign", "set", "autumn").code == 2
    assert office("campaign", "set", "autumn", "--ring-s", "30").out == "Campaign autumn: nothing is different.\n"
    keys.check("campaign-list", office("campaign", "list", "--json").json)
    assert "autumn" in office("campaign", "list").out
    refused = office("campaign", "remove", "autumn", "--json")
    assert (refused.code, "say --yes" in refused.error["mend"]) == (2, True)
    assert office("campaign", "remove", "autumn", "--yes", "--json").json == {"removed": "autumn"}
    assert office("campaign", "show", "autumn").code == 3


def test_a_change_is_told_in_words(office: Callwright) -> None:
    office("campaign", "create", "autumn", "--queue", "sales", *SAID)
    told = office(
        *("campaign", "set", "autumn", "--hours", "mon-fri 9-17", "--cap", "0.025", "--daily-cap", "1"),
        *("--retry", "busy=900", "--retry", "no-answer=0", "--trunk", "b", "--schedule", "mon-fri 9-12"),
    ).out
    for line in (
        "hours (campaign-hours): Mon-Fri 09:00-20:00, Sat 10:30-18:00 → Mon-Fri 09:00-17:00",
        "abandoned: at most 2% per rolling-30-days of the seller; at most 2% per 24-hours of the seller → at most 2.5%",
        "dials of one number: at most 2 in 24 h → at most 1 in 24 h",
        "calls again after busy: 10 min → 15 min",
        "calls again after no-answer: 2 h → never",
        "trunks: a, b → b",
        "schedule: none → Mon-Fri 09:00-12:00",
    ):
        assert f"\n  {line}" in told
    assert told.count("\n") == 8
    assert "{" not in told
    told = office("campaign", "set", "autumn", "--interval-s", "3600", "--retry", "busy=600").out
    assert "\n  calls again after busy: 15 min → 10 min (in effect 1 h, by --interval-s)\n" in told


def test_hours_schedule_and_caps_are_shown_in_words(office: Callwright) -> None:
    office("campaign", "create", "autumn", "--queue", "sales", *SAID, "--schedule", "mon-fri 9-17:30")
    shown = " ".join(office("campaign", "show", "autumn").out.split())
    for text in (
        "hours Mon-Fri 09:00-20:00, Sat 10:30-18:00, and within every day 08:00-21:00 (16 CFR 310.4(c)",
        "schedule Mon-Fri 09:00-17:30 in UTC",
        "one number at most 2 in 24 h, 2 h between two dials",
        "one lead at most 6 dials; again after busy 2 h, no-answer 2 h, machine 4 h,",
        "limits lines: those of the trunks; calls per second: those of the trunks; rings 25 s; an agent within 2 s",
        "expects 30% answered; live answers 2000 to come",
    ):
        assert text in shown


@pytest.mark.parametrize("hours", ["mon-fri 22-6", "mon-sun 22:00-06:00"])
def test_hours_at_night_are_warned_of(office: Callwright, hours: str) -> None:
    made = office("campaign", "create", "autumn", "--queue", "sales", "--hours", hours)
    assert made.code == 0
    assert "Warning: hours" in made.err
    assert "22:00-06:00: nobody is called" in made.err
    assert "calls are allowed only every day 08:00-21:00 (16 CFR 310.4(c)" in made.err
    assert "Nothing is ever dialled" in made.err
    partly = office("campaign", "set", "autumn", "--hours", "mon-fri 18-22")
    assert "nobody is called Mon-Fri 21:00-22:00" in partly.err
    assert "Nothing is ever dialled" not in partly.err
    assert "Warning" not in office("campaign", "set", "autumn", "--hours", "mon-fri 9-20").err


def test_a_campaign_is_checked_started_paused_and_stopped(office: Callwright) -> None:
    office("campaign", "create", "autumn", "--queue", "sales")
    told = office("campaign", "check", "autumn")
    assert (told.code, "cannot be started" in told.out, "ERROR" in told.out) == (1, True, True)
    refused = office("campaign", "start", "autumn", "--json")
    assert (refused.code, refused.error["error_id"]) == (6, "refused")
    office("campaign", "set", "autumn", "--trunk", "a", "--caller-id", "+442079460000")
    checked = office("campaign", "check", "autumn", "--json")
    assert (checked.code, checked.json["ok"]) == (0, True)
    keys.check("campaign-check", checked.json)
    assert office("campaign", "start", "autumn").out == "Campaign autumn is running.\n"
    assert office("campaign", "pause", "autumn", "--json").json["state"] == "paused"
    assert office("campaign", "stop", "autumn").out == "Campaign autumn is stopped.\n"
    assert office("campaign", "stop", "winter").code == 3


def test_a_list_is_imported(office: Callwright, leads: Path) -> None:
    office("campaign", "create", "autumn", "--queue", "sales", "--region", "GB")
    told = office("campaign", "import", "autumn", str(leads), "--column", "phone", "--json")
    assert told.code == 0, told.err
    keys.check("campaign-import", told.json)
    assert "lead list --rejected --import imp_" in told.err
    again = office("lead", "import", "autumn", str(leads), "--column", "phone")
    assert "rejected.\n" in again.out
    assert "no-number: no telephone number stands there" in again.out
    missing = office("campaign", "import", "autumn", str(leads) + "x", "--json")
    assert (missing.code, missing.error["where"]) == (3, str(leads) + "x")


def test_a_report(office: Callwright) -> None:
    office("campaign", "create", "autumn", "--queue", "sales")
    keys.check("campaign-report", office("campaign", "report", "autumn", "--json").json)
    shown = office("campaign", "report", "autumn", "--from", "2026-11-22")
    assert "abandoned" in shown.out
    assert office("campaign", "report", "winter").code == 3


# --- at an engine ----------------------------------------------------------------------------------------------------


@pytest.fixture
def running(callwright: Callwright, engine: MemoryConsole) -> Callwright:
    """The command line at an engine that has a campaign."""
    callwright("campaign", "create", "autumn", "--queue", "sales", "--trunk", "a", "--seller", "Acme")
    callwright("campaign", "start", "autumn")
    return callwright


def test_the_pace_is_told_in_words(running: Callwright) -> None:
    shown = running("campaign", "show", "autumn").out
    assert "one more call would risk more than its price; held back: as many calls as the budget bears" in shown
    assert "10 at work: 1 free, 8 talking, 1 in wrap-up (90.0% busy); 2 not ready" in shown
    assert "22 up: 13 ringing, 1 answered and waiting" in shown
    assert "answer rate 0.31" in shown
    assert (
        "used 19 of 32 allowed by its end; so far 19 of 1000 live answers abandoned"
        " (1.9%, at most 2.8% by 95 %; cap 3.0%)" in shown
    )


def test_the_budget_is_shown_by_its_counts(running: Callwright) -> None:
    assert "1.9% (19 of 1000)" in running("campaign", "list").out


def test_watching_once(running: Callwright) -> None:
    watched = running("campaign", "watch", "autumn", "--once", "--json").json
    keys.check("campaign-show", watched)
    seen = running("campaign", "watch", "autumn").out
    assert running("campaign", "show", "autumn").out.startswith(seen)
    assert "schedule" not in seen
    assert running("campaign", "watch", "winter", "--once").code == 3


def test_figures_of_a_report(running: Callwright, engine: MemoryConsole) -> None:
    shown = running("campaign", "report", "autumn", "--from", "2026-11-22", "--to", "2026-11-23").out
    assert engine.campaigns.asked == [("autumn", "2026-11-22", "2026-11-23")]
    assert "half within 12.5 ms, 99 % within 88 ms" in shown
    assert "3.3%, at most 14.9% by 95 %" in shown
    assert "calling-hours 4" in shown


# --- over the store alone --------------------------------------------------------------------------------------------


def test_what_only_an_engine_knows_is_null(callwright: Callwright) -> None:
    callwright("queue", "add", "sales")
    made = callwright("campaign", "create", "autumn", "--queue", "sales", "--json").json
    assert (made["live"], made["state"], made["begun"]) == (None, "stopped", None)
    assert "no engine is running" in callwright("campaign", "show", "autumn").out
    assert callwright("campaign", "watch", "autumn").code == 1


def test_nobody_abandoned_is_no_dash(callwright: Callwright) -> None:
    callwright("queue", "add", "sales")
    callwright("campaign", "create", "autumn", "--queue", "sales")
    assert "0.0% (0 of 0)" in callwright("campaign", "list").out


def test_a_start_without_an_engine_waits_for_one(callwright: Callwright) -> None:
    callwright("queue", "add", "sales")
    callwright("trunk", "add", "a", "--host", "sip.example.com")
    callwright("campaign", "create", "autumn", "--queue", "sales", "--trunk", "a", "--caller-id", "+442079460000")
    told = callwright("campaign", "start", "autumn")
    assert told.code == 0
    assert "it begins to dial when one does" in told.err
    assert callwright("campaign", "show", "autumn", "--json").json["state"] == "running"
    assert callwright("campaign", "remove", "autumn", "--yes").code == 4


def test_a_wrong_definition_names_the_field(callwright: Callwright) -> None:
    callwright("queue", "add", "sales")

    def create(*more: str) -> tuple[int, str]:
        told = callwright("campaign", "create", "autumn", *more, "--json")
        return told.code, told.error["where"]

    assert create("--queue", "slaes") == (2, "campaign autumn.queue_id")
    assert create("--queue", "sales", "--trunk", "x") == (2, "campaign autumn.trunks")
    assert create("--queue", "sales", "--caller-id", "12") == (2, "campaign autumn.caller_id")
    assert create("--queue", "sales", "--ring-s", "10") == (6, "campaign autumn.ring_s")
    assert create("--queue", "sales", "--timezone", "Mars/Base") == (2, "campaign autumn.timezone")
    assert create("--queue", "sales", "--timezone", "GMT+1") == (2, "campaign autumn.timezone")
    for cap in ("half", "50", "3%%", "-1%", "nan"):
        assert create("--queue", "sales", "--cap", cap) == (2, "--cap")
    assert create("--queue", "sales", "--hours", "always") == (2, "--hours")
    assert create("--queue", "sales", "--retry", "busy") == (2, "--retry")
    assert callwright("campaign", "list", "--json").json["items"] == []


def test_a_cap_is_a_share_or_a_percentage(callwright: Callwright) -> None:
    callwright("queue", "add", "sales")
    for id_, cap in (("one", "2.5%"), ("two", "0.025")):
        made = callwright("campaign", "create", id_, "--queue", "sales", "--cap", cap, "--json").json
        assert [budget["cap"] for budget in made["budgets"]] == [0.025]


def test_a_schedule_without_a_place_is_said_to_be_in_utc(callwright: Callwright) -> None:
    callwright("queue", "add", "sales")
    daily = ("--queue", "sales", "--schedule", "mon-fri 9-17")
    assert "the schedule is in UTC" in callwright("campaign", "create", "one", *daily).err
    assert "in UTC" not in callwright("campaign", "create", "two", *daily, "--timezone", "Europe/Paris").err


def test_no_campaign_yet(callwright: Callwright) -> None:
    assert callwright("campaign", "list").code == 3
    callwright("db", "upgrade")
    told = callwright("campaign", "list")
    assert (told.code, "No campaigns yet" in told.err) == (0, True)


@pytest.mark.parametrize(
    ("text", "start", "end"), [("mon-fri 9-20", 540, 1200), ("sat 9:30-12", 570, 720), ("sun 08:00-24", 480, 1440)]
)
def test_hours(text: str, start: int, end: int) -> None:
    [span] = spans_of([text])
    assert (span["start"], span["end"]) == (start, end)


@pytest.mark.parametrize("text", ["", "9-20", "mon-fri", "mon-fri 20-20", "mon-fri 25-26", "mon-fri nine-five"])
def test_hours_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="mon-fri 9-20"):
        spans_of([text])
