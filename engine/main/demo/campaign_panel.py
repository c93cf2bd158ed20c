"""The campaign on the demo's screen: lines, agents, answers, the abandonment budget, and why the pace is what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table

from engine.dialer.clopper_pearson import largest_drops
from engine.main import campaign_sights
from engine.main.demo import company

if TYPE_CHECKING:
    from engine.floor.state import Campaign, FloorState
    from engine.main.demo.outbound import Outreach
    from engine.runtime.outbound import CampaignReport


def panel(state: FloorState, outreach: Outreach) -> Panel:
    """The campaign at this moment; figures that come from the ledger are some seconds old."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(style="dim", no_wrap=True, width=14)
    grid.add_column(ratio=1)
    campaign = state.campaigns.get(company.OUTREACH)
    if campaign is not None:
        for title, text in _rows(state, campaign, outreach.report):
            grid.add_row(title, text)
    name = campaign.policy.name if campaign is not None else "Outreach"
    mode = f"{campaign.policy.mode}, {campaign.state}" if campaign is not None else "not defined yet"
    return Panel(grid, title=f"Campaign {name} ({mode})", title_align="left", border_style="blue")


def line(state: FloorState, outreach: Outreach) -> str:
    """The campaign in one line, for a demo without a screen."""
    campaign, report = state.campaigns.get(company.OUTREACH), outreach.report
    if campaign is None or report is None:
        return "no campaign yet"
    return (
        f"campaign: {campaign.up} lines up, {report.attempts} dialled, {report.connected} connected,"
        f" {report.abandoned} abandoned"
    )


def _rows(state: FloorState, campaign: Campaign, report: CampaignReport | None) -> list[tuple[str, str]]:
    live = campaign_sights.live_view(state, campaign)
    crew, lines = live.agents, live.lines
    return [
        ("Lines", f"{lines.up} up, {lines.ringing} of them ringing, {lines.waiting} answered and waiting"),
        (
            "Agents",
            f"{crew.staffed} at work: {crew.talking} talking, {crew.wrapping} in wrap-up, {crew.free} free",
        ),
        ("Answers", _answers(report)),
        ("Abandonment", _budget(campaign)),
        ("Pace", f"{live.says}" + (f"; {live.rule_says}" if live.rule_says else "")),
    ]


def _answers(report: CampaignReport | None) -> str:
    if report is None or not report.attempts:
        return "nobody was dialled yet"
    ended = report.attempts - report.open
    rate = f"{report.live_answers / ended:.0%} of {ended} attempts" if ended else "–"
    busy = "–" if report.agent_utilisation is None else f"{report.agent_utilisation:.0%}"
    return f"{rate} answered by a person, {report.machines} machines; agents' utilisation {busy}"


def _budget(campaign: Campaign) -> str:
    [budget] = campaign.policy.budgets
    standing = campaign.book.standing(budget)
    if standing is None:
        return "the ledger was not read yet"
    bears = largest_drops(standing.at_end, budget.cap)
    return (
        f"{standing.drops} of {standing.answers} live answers; the working day's budget bears {max(0, bears)}"
        f" of {standing.at_end} ({budget.cap:.0%})"
    )
