"""`python -m engine.lab.setup`: everything a first run needs beside the Python environment; a second run takes no time.

Programs of the system are installed with apt-get when we are root, and named with the command to run when we are not.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.errors import CallwrightError
from engine.lab.prompts import speak_all
from engine.lab.tree import Say, SetupFailed, provision

ROOT: Final = Path(__file__).resolve().parents[2] / ".asterisk"
_SPEECH: Final = {"espeak-ng": "espeak-ng", "sox": "sox"}
_FOR_TESTS: Final = {"mosquitto": "mosquitto", "pg_ctl": "postgresql"}
_FOR_FULL_TESTS: Final = {"buildah": "buildah"}
_EXTRA_PATHS: Final = ("/usr/sbin", "/usr/local/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))))


def need_programs(programs: dict[str, str], say: Say = print) -> None:
    """Make sure that each program is there; `programs` maps program to Debian package.

    Raises:
        SetupFailed: one is missing and cannot be installed; with the command that would.
    """
    missing = sorted({package for program, package in programs.items() if not _there(program)})
    if not missing:
        return
    by_hand = "run: sudo apt-get install " + " ".join(missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupFailed("programs are missing: " + ", ".join(missing), where="PATH", mend=by_hand)
    say(f"Installing {', '.join(missing)} (apt-get) ...")
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if not _quietly(install) and not (_quietly(["apt-get", "update"]) and _quietly(install)):
        raise SetupFailed("apt-get could not install " + ", ".join(missing), where="apt-get", mend=by_hand)


def _there(program: str) -> bool:
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), *_EXTRA_PATHS))) is not None


def _quietly(command: Sequence[str]) -> bool:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=quiet, capture_output=True, check=False).returncode == 0


def _programs(arguments: Sequence[str]) -> dict[str, str]:
    programs = dict(_SPEECH)
    if "--for-tests" in arguments:
        programs |= _FOR_TESTS
    if "--full" in arguments:
        programs |= _FOR_FULL_TESTS
    return programs


def main(arguments: Sequence[str]) -> int:
    """Set up; 0 when all is there, 1 with one plain sentence when not."""
    try:
        need_programs(_programs(arguments))
        provision(ROOT)
        speak_all(ROOT / "prompts")
    except CallwrightError as missing:
        print(f"Set-up stopped: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
