"""The program `callwright`: every noun and verb in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import (
    agent,
    asterisk,
    bench,
    call,
    campaign,
    config,
    db,
    dnc,
    doctor,
    flow,
    interaction,
    judgement,
    lead,
    number,
    queue,
    report,
    running,
    simulate,
    skill,
    top,
    trunk,
)
from cli.shell import ALONE, CONFIG, DEBUG, examples, group

app = group(
    "Callwright: an open call-centre engine that drives Asterisk.\n\n"
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 Asterisk unreachable, 6 refused by a rule.",
    epilog=examples("callwright demo --seconds 60", "callwright doctor", "callwright agent list --json"),
    completion=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"callwright {version('callwright')}")
        raise typer.Exit


Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The settings file; may stand anywhere.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show an unexpected error's traceback; may stand anywhere.")]
Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")]


@app.callback()
def program(
    config_: Config = None,
    debug: Debug = False,
    _: Version = False,
) -> None:
    """Take the options of the whole program."""
    CONFIG.set(config_)
    DEBUG.set(debug)


app.command(epilog=running.EXAMPLES["serve"])(running.serve)
app.command(epilog=running.EXAMPLES["demo"])(running.demo)
app.command(epilog=doctor.EXAMPLE)(doctor.doctor)
app.command(epilog=judgement.EXAMPLES["verify"])(judgement.verify)
app.command(epilog=top.EXAMPLE)(top.top)
app.add_typer(agent.app, name="agent")
app.add_typer(queue.app, name="queue")
app.add_typer(skill.app, name="skill")
app.add_typer(number.app, name="number")
app.add_typer(trunk.app, name="trunk")
app.add_typer(campaign.app, name="campaign")
app.add_typer(lead.app, name="lead")
app.add_typer(dnc.app, name="dnc")
app.add_typer(call.app, name="call")
app.add_typer(interaction.app, name="interaction")
app.add_typer(flow.app, name="flow")
app.add_typer(report.app, name="report")
app.command(epilog=judgement.EXAMPLES["explain"])(judgement.explain)
app.command(epilog=judgement.EXAMPLES["replay"])(judgement.replay)
app.command(epilog=simulate.EXAMPLE)(simulate.simulate)
app.add_typer(db.app, name="db")
app.add_typer(asterisk.app, name="asterisk")
app.add_typer(config.app, name="config")
app.command(epilog=bench.EXAMPLE)(bench.bench)


def run() -> None:
    """The entry point."""
    ALONE.set(True)
    app(prog_name="callwright")


if __name__ == "__main__":
    run()
