"""The sounds callers hear when no engine speaks: texts of `dialplans/prompts.toml`, spoken by espeak-ng.

Files are 8 kHz, 16-bit, mono WAV (shaped by sox): what Asterisk's telephone codecs want. A second call finds a stamp
of the same texts and voices and returns at once.
"""

import hashlib
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.lab.tree import Say, SetupFailed

TEXTS: Final = Path(__file__).resolve().parents[2] / "dialplans" / "prompts.toml"
VOICES: Final = {"en": "en-us", "zh": "cmn-latn-pinyin"}
"""Not `cmn`, which espeak-ng 1.51 reads as English letters: see engine/asterisk/prompts.py."""
_STAMP: Final = "made-from"


def speak_all(folder: Path, say: Say = print) -> Path:
    """Make every missing sound below `folder` (`folder/<language>/<name>.wav`) and return `folder`.

    Raises:
        SetupFailed: espeak-ng or sox is missing or fails; with the mend.
    """
    source = TEXTS.read_bytes()
    stamp = folder / _STAMP
    digest = hashlib.sha256(source + repr(VOICES).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return folder
    for tool, package in (("espeak-ng", "espeak-ng"), ("sox", "sox")):
        if not shutil.which(tool):
            raise SetupFailed(f"the program {tool} is missing", where="PATH", mend=f"run: apt-get install {package}")
    say("Speaking the fallback prompts (espeak-ng) ...")
    for language, name, text in texts(source):
        speak(text, language, folder / language / f"{name}.wav")
    stamp.write_text(digest)
    return folder


def speak(text: str, language: str, target: Path) -> None:
    """Speak one text into one file, whole or not at all.

    Raises:
        SetupFailed: a program failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    mine = f".{os.getpid()}"  # a demo and a test started together both speak
    wide, making = target.with_suffix(f"{mine}.wide"), target.with_suffix(f"{mine}.making")
    steps = (
        ["espeak-ng", "-v", VOICES[language], "-s", "150", "-w", str(wide), "--stdin"],
        ["sox", "-t", "wav", str(wide), "-t", "wav", "-r", "8000", "-c", "1", "-b", "16", str(making), "norm", "-6"],
    )
    try:
        for step in steps:
            run = subprocess.run(step, input=text.encode(), capture_output=True, timeout=30, check=False)
            if run.returncode != 0:
                reason = run.stderr.decode(errors="replace").strip()
                raise SetupFailed(f"{step[0]} failed: {reason}", where=str(target), mend="mend it, then retry")
        making.rename(target)
    finally:
        wide.unlink(missing_ok=True)
        making.unlink(missing_ok=True)


def texts(source: bytes) -> Iterator[tuple[str, str, str]]:
    """(language, name, text) of every sound that `source`, a TOML text, asks for."""
    for language, texts in tomllib.loads(source.decode()).items():
        for name, text in texts.items():
            yield language, name, text
