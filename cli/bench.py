"""`callwright bench`: the benchmarks of a source checkout, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.shell import Json, examples
from engine.errors import NotFound

ROOT: Final = Path(__file__).resolve().parents[1]


class Bench(StrEnum):
    """What can be measured."""

    AMI = "ami"
    CALLS = "calls"
    CAMPAIGN = "campaign"
    PACING = "pacing"
    ROUTING = "routing"


def bench(
    names: Annotated[
        list[Bench] | None,
        typer.Argument(metavar="[ami|calls|campaign|pacing|routing]...", help="Which; all by default."),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, max=99, help="Figures are medians of so many runs.")] = 3,
    full: Annotated[
        bool, typer.Option("--full", help="The counts of the project's figures; FULL=1 does the same.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Of the pacing only a few scenarios and two seeds, of the campaign one run: minutes, not hours.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure this version.

    Ratios against a plain Asterisk in the same run, and limits; see docs/benchmarks.md. Needs the source checkout.

    Exit 1 if a limit is missed.
    """
    if not (ROOT / "tests" / "bench").is_dir():
        raise NotFound(
            "the benchmarks are not installed", where="callwright bench", mend="run it in the source checkout"
        )
    command = [sys.executable, "-m", "tests.bench", *(names or ()), "--runs", str(runs)]
    command += ["--full"] * full + ["--quick"] * quick + ["--json"] * as_json
    code = subprocess.run(command, cwd=ROOT, env=dict(os.environ), check=False).returncode
    if code:
        raise typer.Exit(code)


EXAMPLE = examples("callwright bench", "callwright bench ami --runs 5 --json")
