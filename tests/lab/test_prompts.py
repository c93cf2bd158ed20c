"""The sounds that callers hear while no engine speaks."""

from __future__ import annotations

import shutil
import subprocess
import wave
from pathlib import Path

import pytest

from engine.asterisk.prompts import VOICES
from engine.lab import prompts

speaks = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("sox")), reason="espeak-ng and sox are not installed"
)


def phonemes(voice: str, text: str) -> str:
    run = subprocess.run(
        ["espeak-ng", "-v", voice, "-q", "-x", "-b", "1", "--stdin"],
        input=text,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return run.stdout


def test_who_speaks_without_the_engine_is_who_speaks_with_it() -> None:
    assert {language: voice.name for language, voice in VOICES.items()} == prompts.VOICES


@speaks
def test_chinese_is_not_spelt_in_english_letters() -> None:
    spoken = [text for language, _, text in prompts.texts(prompts.TEXTS.read_bytes()) if language == "zh"]
    assert len(spoken) > 10
    assert "(en)" not in phonemes(prompts.VOICES["zh"], "\n".join(spoken))


@speaks
def test_another_voice_speaks_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "TEXTS", tmp_path / "prompts.toml")
    prompts.TEXTS.write_text('[en]\ngoodbye = "Good-bye."\n')
    said: list[str] = []
    sounds = prompts.speak_all(tmp_path / "sounds", said.append)
    prompts.speak_all(sounds, said.append)
    assert len(said) == 1
    monkeypatch.setattr(prompts, "VOICES", {"en": "en-gb"})
    prompts.speak_all(sounds, said.append)
    assert len(said) == 2
    assert sorted(each.name for each in (sounds / "en").iterdir()) == ["goodbye.wav"]
    with wave.open(str(sounds / "en" / "goodbye.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
