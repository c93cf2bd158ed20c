import asyncio
import math
import shutil
import subprocess
import wave
from array import array
from pathlib import Path

import pytest

from engine.asterisk.prompts import SPOKEN, VOICES, PromptLibrary
from engine.errors import PromptUnavailable

speaks = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("sox")), reason="needs espeak-ng and sox: apt-get install both"
)


@pytest.fixture
def library(tmp_path: Path) -> PromptLibrary:
    return PromptLibrary(tmp_path / "sounds", tmp_path / "cache")


def samples(tmp_path: Path, name: str) -> "array[int]":
    with wave.open(str(tmp_path / "sounds" / f"{name}.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
        return array("h", sound.readframes(sound.getnframes()))


def rms(part: "array[int]") -> float:
    return math.sqrt(sum(sample * sample for sample in part) / len(part))


def left_over(folder: Path, pattern: str) -> list[Path]:
    return list(folder.rglob(pattern))


def program(folder: Path, name: str, script: str) -> None:
    """A stand-in for a program: it obeys the command line as far as the test needs."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@speaks
@pytest.mark.parametrize(
    ("text", "language", "shortest", "longest"),
    [
        ("Welcome. You are caller number 3.", "en", 1.5, 5.0),
        ("您好，欢迎致电。您是第三位。", "zh", 2.0, 7.0),
        ("--help", "en", 0.5, 2.5),
        ("-w /etc/passwd [[aI]] $(id) <b>", "en-GB", 1.0, 8.0),
    ],
)
async def test_a_text_is_spoken(
    library: PromptLibrary, tmp_path: Path, text: str, language: str, shortest: float, longest: float
) -> None:
    name = await library.spoken(text, language)
    assert name.startswith(SPOKEN + "/")
    sound = samples(tmp_path, name)
    assert shortest < len(sound) / 8000 < longest
    assert rms(sound) > 500
    assert rms(sound[: 8000 // 5]) < 50, "a lead of silence"
    assert left_over(tmp_path, ".*") == []


@speaks
def test_chinese_is_spoken_as_chinese() -> None:
    # The stock voice `cmn` reads 你好 as the English letters of its pinyin, marked "(en)".
    heard = subprocess.run(
        ["espeak-ng", "-v", VOICES["zh"].name, "-q", "-x", "-b", "1", "--stdin"],
        input="您好，欢迎致电",
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "(en)" not in heard.stdout


@speaks
async def test_a_text_is_spoken_once_whoever_asks(library: PromptLibrary, tmp_path: Path) -> None:
    names = await asyncio.gather(*(library.spoken("Please  hold.", "en") for _ in range(10)))
    assert len(set(names)) == 1
    assert await library.spoken("Please hold.", "en") == names[0]
    assert library.rendered == 1
    shutil.rmtree(tmp_path / "sounds")
    assert await library.spoken("Please hold.", "en") == names[0]
    assert library.rendered == 1
    assert samples(tmp_path, names[0])


@speaks
async def test_a_caller_who_gives_up_does_not_stop_the_others(library: PromptLibrary) -> None:
    impatient = asyncio.create_task(library.spoken("One moment, please.", "en"))
    patient = asyncio.create_task(library.spoken("One moment, please.", "en"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).startswith(SPOKEN)


@speaks
async def test_many_texts_at_once_are_spoken_by_few_programs(library: PromptLibrary) -> None:
    await library.speak_all((f"Number {n}", "en") for n in range(6))
    assert library.rendered == 6


async def test_renderers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    program(tmp_path / "bin", "espeak-ng", f"echo in >> {log}; /bin/sleep 0.05; echo out >> {log}; exit 1")
    program(tmp_path / "bin", "sox", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ExceptionGroup) as failures:
        await PromptLibrary(tmp_path, tmp_path, renderers=2).speak_all((f"text {n}", "en") for n in range(6))
    assert len(failures.value.exceptions) == 6
    running, most = 0, 0
    for line in log.read_text().split():
        running += 1 if line == "in" else -1
        most = max(most, running)
    assert most <= 2


async def test_a_missing_program_is_named_with_its_mend(
    library: PromptLibrary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PromptUnavailable, match="espeak-ng is not installed") as missing:
        await library.spoken("Hello", "en")
    assert "apt-get install espeak-ng sox" in missing.value.mend


async def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "espeak-ng", "exec /bin/sleep 60")
    program(tmp_path / "bin", "sox", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(PromptUnavailable, match="did not finish within"):
        await PromptLibrary(tmp_path, tmp_path, seconds=0.05).spoken("Hello", "en")
    assert left_over(tmp_path, "*.wav") == []


async def test_a_program_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "espeak-ng", "echo no such voice >&2; exit 3")
    program(tmp_path / "bin", "sox", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(PromptUnavailable, match="exit code 3: no such voice"):
        await PromptLibrary(tmp_path, tmp_path).spoken("Hello", "en")


@speaks
async def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "sounds").write_text("a file where a folder should be")
    with pytest.raises(PromptUnavailable, match="cannot be written"):
        await PromptLibrary(tmp_path / "sounds", tmp_path / "cache").spoken("Hello", "en")


@pytest.mark.parametrize(
    ("text", "language"), [("", "en"), (" … ", "en"), ("x" * 2001, "en"), ("a\0b", "en"), ("Hallo", "de")]
)
async def test_texts_that_cannot_be_spoken(library: PromptLibrary, text: str, language: str) -> None:
    with pytest.raises(PromptUnavailable) as refused:
        await library.spoken(text, language)
    assert refused.value.mend


def test_recorded_sounds(library: PromptLibrary, tmp_path: Path) -> None:
    (tmp_path / "sounds/fr").mkdir(parents=True)
    (tmp_path / "sounds/hello.ulaw").touch()
    (tmp_path / "sounds/fr/bonjour.wav").touch()
    assert library.recorded("hello", "fr") == "hello"
    assert library.recorded("bonjour", "fr") == "bonjour"
    for name in ("bonjour", "", "../cache/x", "/etc/passwd", "he\0llo"):
        with pytest.raises(PromptUnavailable):
            library.recorded(name)
