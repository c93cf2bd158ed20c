"""Prompts: a recorded sound, or a text spoken by espeak-ng and kept.

A spoken text becomes `callwright/tts/<hash>` below Asterisk's sounds folder, 8 kHz 16-bit mono WAV, the format every
Asterisk plays without help. The hash covers text, voice, speed and the version of this recipe, so a changed text is a
new file, and the same text is rendered once, whoever asks and however often. Files appear whole or not at all.

A prompt that cannot be had raises `PromptUnavailable`: a caller must never hear silence for want of a package.
"""

import asyncio
import hashlib
import os
import shutil
import tempfile
import unicodedata
import wave
from array import array
from collections.abc import Iterable
from os.path import isfile
from pathlib import Path

import msgspec

from engine.errors import PromptUnavailable

RECIPE = "1"
"""Change it when the way of speaking changes: every text is then rendered anew."""

SPOKEN = "callwright/tts"
SOUND_SUFFIXES = (".wav", ".ulaw", ".alaw", ".gsm", ".g722", ".sln", ".sln16", ".wav16", ".opus")
TEXT_CHARACTERS = 2000
RATE = 8000
LEAD_S, TAIL_S = 0.25, 0.1
"""Silence around the words: the first syllable on a call just answered is often lost."""
LEAST_SPEECH_S = 0.2
LEAST_PEAK = 1000
"""Of 32767. Speech is levelled to about 23,000; below this the file is silence."""


class Voice(msgspec.Struct, frozen=True):
    """An espeak-ng voice and its speed in words per minute."""

    name: str
    words_per_minute: int


VOICES = {
    "en": Voice("en-us", 155),
    # Not `cmn`: espeak-ng 1.51 looks Chinese characters up as pinyin and then reads that pinyin as English letters.
    # The price: Latin words within a Chinese text are read as pinyin.
    "zh": Voice("cmn-latn-pinyin", 150),
}


class PromptLibrary:
    """Turns what a flow wants said into the name of a sound that Asterisk can play.

    `sounds`: Asterisk's sounds folder as this process sees it (the engine writes below it, Asterisk reads it).
    `cache`: a folder of our own where spoken texts are kept across a reinstallation of Asterisk; may be on another
    file system. At most `renderers` programs run at a time, each for `seconds` at most.
    """

    def __init__(self, sounds: Path, cache: Path, *, renderers: int = 2, seconds: float = 20.0) -> None:
        self._sounds = sounds
        self._cache = cache
        self._seconds = seconds
        self._slots = asyncio.Semaphore(renderers)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self.rendered = 0
        """How many texts this library had to speak."""

    def recorded(self, name: str, language: str = "") -> str:
        """The sound name of a recorded file, `language` folder first, as Asterisk looks it up.

        Raises:
            PromptUnavailable: no such file in any format Asterisk reads.
        """
        folders = (self._sounds / language, self._sounds) if language else (self._sounds,)
        safe = name and not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
        if safe and any(isfile(f"{folder}/{name}{suffix}") for folder in folders for suffix in SOUND_SUFFIXES):
            return name
        raise PromptUnavailable(
            f"there is no recorded sound {name!r}",
            where=str(self._sounds),
            mend="record it, correct the name in the flow (no extension), or give a text to be spoken",
        )

    async def spoken(self, text: str, language: str) -> str:
        """The sound name of a spoken text; speaks it first if that has not been done.

        Raises:
            PromptUnavailable: no words to speak, no such language, espeak-ng or sox missing or failing.
        """
        text, voice = _speakable(text), _voice(language)
        key = f"{RECIPE}\0{voice.name}\0{voice.words_per_minute}\0{text}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        target = self._sounds / SPOKEN / f"{digest}.wav"
        if not target.is_file():
            await self._once(digest, text, voice, target)
        return f"{SPOKEN}/{digest}"

    async def speak_all(self, texts: Iterable[tuple[str, str]]) -> None:
        """Speak every (text, language) beforehand, as when a flow is activated.

        Raises:
            ExceptionGroup: of `PromptUnavailable`, one for each text that could not be spoken.
        """
        outcomes = await asyncio.gather(*(self.spoken(*each) for each in texts), return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if failures:
            raise ExceptionGroup("prompts that cannot be spoken", failures)

    async def _once(self, digest: str, text: str, voice: Voice, target: Path) -> None:
        """Render, or wait for who is rendering the same. A caller who hangs up meanwhile does not stop the others'."""
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.create_task(self._fetch(digest, text, voice, target), name=f"speak {digest}")
            self._under_way[digest] = task
            task.add_done_callback(lambda done: self._finished(digest, done))
        await asyncio.shield(task)

    def _finished(self, digest: str, task: "asyncio.Task[None]") -> None:
        del self._under_way[digest]
        if not task.cancelled():
            task.exception()  # looked at: whoever waited has it; nobody may be waiting any more

    async def _fetch(self, digest: str, text: str, voice: Voice, target: Path) -> None:
        kept = self._cache / f"{digest}.wav"
        try:
            if not kept.is_file():
                async with self._slots:
                    await self._render(text, voice, kept)
            await asyncio.to_thread(_put, kept, target)
        except OSError as error:
            raise PromptUnavailable(
                f"a spoken prompt cannot be written: {error.strerror or error}",
                where=str(error.filename or target),
                mend="give the engine's user the right to write there, and check the disk's free space",
            ) from error

    async def _render(self, text: str, voice: Voice, kept: Path) -> None:
        espeak, sox = _program("espeak-ng"), _program("sox")
        await asyncio.to_thread(kept.parent.mkdir, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".speaking-") as scratch:
            raw, done = Path(scratch, "raw.wav"), Path(scratch, "done.wav")
            speed = str(voice.words_per_minute)
            await self._run([espeak, "-v", voice.name, "-s", speed, "-b", "1", "--stdin", "-w", str(raw)], text)
            shape = ["-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed-integer"]
            effects = ["highpass", "120", "norm", "-3", "pad", str(LEAD_S), str(TAIL_S)]
            await self._run([sox, "-D", str(raw), *shape, str(done), *effects], text)
            await asyncio.to_thread(_keep, done, kept, text)
        self.rendered += 1

    async def _run(self, program: list[str], text: str) -> None:
        """Run one program with `text` on its standard input: no text is ever an argument."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *program, stdin=pipe, stdout=asyncio.subprocess.DEVNULL, stderr=pipe
        )
        try:
            async with asyncio.timeout(self._seconds):
                _, complaint = await process.communicate(text.encode())
        except TimeoutError:
            raise PromptUnavailable(
                f"{program[0]} did not finish within {self._seconds:g} s",
                where=repr(text[:80]),
                mend="is the machine overloaded? Otherwise record the prompt",
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise PromptUnavailable(
                f"{program[0]} failed with exit code {process.returncode}: {complaint.decode(errors='replace')[:200]}",
                where=repr(text[:80]),
                mend="run it by hand with this text, or record the prompt",
            )


def _speakable(text: str) -> str:
    """The text with runs of blanks made one, refused if it has nothing to say or far too much."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    text = text.replace("[[", "[ [")  # espeak-ng would read what follows as phonemes
    if not any(character.isalnum() for character in text):
        raise PromptUnavailable(
            "a prompt's text holds no words", where=repr(text[:80]), mend="write what is to be said"
        )
    if len(text) > TEXT_CHARACTERS or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise PromptUnavailable(
            f"a prompt's text is longer than {TEXT_CHARACTERS} characters or holds control characters",
            where=repr(text[:80]),
            mend="split it into several prompts",
        )
    return text


def _voice(language: str) -> Voice:
    voice = VOICES.get(language.replace("_", "-").split("-")[0].lower())
    if voice is None:
        raise PromptUnavailable(
            f"no voice speaks {language!r}", where="prompt language", mend=f"use one of {', '.join(sorted(VOICES))}"
        )
    return voice


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise PromptUnavailable(
            f"{name} is not installed", where="PATH", mend="apt-get install espeak-ng sox, or record the prompt"
        )
    return path


def _keep(done: Path, kept: Path, text: str) -> None:
    """Move a rendered file to its name in the cache, if it holds speech."""
    with wave.open(str(done)) as sound:
        samples = array("h", sound.readframes(sound.getnframes()))
    if len(samples) < RATE * (LEAD_S + LEAST_SPEECH_S + TAIL_S) or max(map(abs, samples)) < LEAST_PEAK:
        raise PromptUnavailable(
            "espeak-ng made no speech of a text", where=repr(text[:80]), mend="write it in words, or record the prompt"
        )
    done.replace(kept)


def _put(kept: Path, target: Path) -> None:
    """Copy into Asterisk's folder under a name of its own, then rename: Asterisk never opens half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=target.parent, prefix=".arriving-")
    try:
        with os.fdopen(descriptor, "wb") as copy:
            copy.write(kept.read_bytes())
            os.fchmod(descriptor, 0o644)  # Asterisk runs as another user
        Path(scratch).replace(target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
