"""`python -m tests.bench [NAME ...]`: run benchmarks and print their figures; exit 1 if a limit is missed.

FULL=1 in the environment (or `--full`): the counts of the project's brief.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from typing import Final

import msgspec
import structlog

from engine.errors import CallwrightError
from tests.bench.figures import Report

NAMES: Final = ("routing", "ami", "calls", "campaign", "pacing")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _routing(runs: int, *, full: bool, quick: bool) -> Report:
    from tests.bench import routing

    del full, quick
    return routing.measure(runs, _say)


def _ami(runs: int, *, full: bool, quick: bool) -> Report:
    from tests.bench import events

    del quick
    return asyncio.run(events.measure(runs, 60.0 if full else 15.0, _say))


def _calls(runs: int, *, full: bool, quick: bool) -> Report:
    from tests.bench import calls

    del quick
    return asyncio.run(calls.measure(calls.loads(full=full), list(calls.PAIRS), runs, _say))


def _campaign(runs: int, *, full: bool, quick: bool) -> Report:
    from tests.bench import campaign

    return asyncio.run(campaign.measure(360.0 if full else 150.0, 1 if quick else runs, _say))


def _pacing(runs: int, *, full: bool, quick: bool) -> Report:
    from tests.bench import pacing

    del runs, full
    return pacing.measure(_say, quick=quick)


_BENCHES: Final = {"routing": _routing, "ami": _ami, "calls": _calls, "campaign": _campaign, "pacing": _pacing}


def _show(report: Report) -> None:
    for each in report.figures:
        verdict = {True: "ok", False: "MISSED", None: ""}[each.ok]
        limit = f"limit {each.limit:g}" if each.limit is not None else ""
        peer = f"plain {each.peer:g}" if each.peer is not None else ""
        print(f"{each.id:42} {each.value:>10g} {each.unit:10} {limit:14} {peer:14} {verdict}")


def main() -> int:
    """Run what the command line names."""
    arguments = argparse.ArgumentParser(prog="callwright bench")
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)}; all by default")
    arguments.add_argument("--runs", type=int, default=3, help="figures are medians of so many runs")
    arguments.add_argument("--full", action="store_true", default=bool(os.environ.get("FULL")))
    arguments.add_argument(
        "--quick", action="store_true", help="pacing: a few scenarios and two seeds; campaign: one run"
    )
    arguments.add_argument("--json", action="store_true", help="one JSON object for each benchmark")
    given = arguments.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        arguments.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.disable(logging.WARNING)
    quick = given.quick or not (given.names or given.full)  # some hours of simulation are asked for by name
    ok = True
    for name in NAMES:
        if given.names and name not in given.names:
            continue
        try:
            report = _BENCHES[name](given.runs, full=given.full, quick=quick)
        except CallwrightError as wrong:
            _say(f"{name}: {wrong}")
            return wrong.exit_code
        ok = ok and report.ok
        if given.json:
            print(msgspec.json.encode({**msgspec.to_builtins(report), "ok": report.ok}).decode(), flush=True)
        else:
            _show(report)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
