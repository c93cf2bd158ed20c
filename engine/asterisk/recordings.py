"""Recordings: two one-way files become one stereo file, left the caller, right the agent; and a guard over the disk.

MixMonitor (apps/app_mixmonitor.c; the dialplan's options b, r() and t()) writes `<name>.wav` mixed, `<name>-in.wav`
(what the caller says) and `<name>-out.wav` (what he hears), while he is bridged. A file's header is completed only when
the recorder closes it (formats/format_wav.c), so a header that fits the file's size says that it is whole. When the
interaction is over the stereo file takes the mixed one's place by renaming, and the one-way files go: whoever reads
`<name>.wav` sees the old file or the new one, never half of one. A kill at any point leaves work for the next start.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
import wave
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import structlog

from engine.errors import CallwrightError

log = structlog.get_logger(__name__)

SIDES = ("-in.wav", "-out.wav")
DRAFT = ".stereo-draft"
HEADER_BYTES = 44
"""Of a WAV file as Asterisk writes it."""
SAMPLE_BYTES = 2
CHUNK_FRAMES = 65_536
VISITS = 20
"""Queue visits of one interaction whose recordings are looked for by name; more are found by the next sweep."""
ABANDONED_S = 60.0
"""A file with an incomplete header that nobody has touched for so long will never be completed: Asterisk died."""


class DiskLimits(msgspec.Struct, frozen=True):
    """When to begin no more recordings: fewer than `bytes` free, or a smaller `share` (0..1) than this."""

    bytes: int = 1_000_000_000
    share: float = 0.05


class Pace(msgspec.Struct, frozen=True):
    """Seconds between looks: at files that are being closed, at the disk, and at the whole folder for leftovers."""

    look: float = 1.0
    disk: float = 5.0
    sweep: float = 600.0


MAGIC = b"RIFF"
USUAL_RATE = 8_000


class RecordingUnreadable(CallwrightError):
    """A one-way recording is no WAV file of one channel with 16 bits, or the two do not fit together."""

    error_id = "recording-unreadable"


class _Side(NamedTuple):
    path: Path
    size: int
    rate: int
    complete: bool
    """Its recorder has closed it."""
    touched: float
    """Seconds since 1970."""

    @property
    def frames(self) -> int:
        return max(0, self.size - HEADER_BYTES) // SAMPLE_BYTES


class Recordings:
    """The recordings folder of one Asterisk. `is_live` tells whether an interaction may still be recorded."""

    def __init__(
        self,
        folder: Path,
        is_live: Callable[[str], bool],
        *,
        limits: DiskLimits | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.folder = folder
        self.disk_low = False
        """Whether recordings are refused for want of space."""
        self.free_bytes: int | None = None
        """Free space on the recordings' disk at the last look; None while it cannot be measured."""
        self.finished = 0
        self.failures = 0
        """How often a recording could not be finished; a sweep tries it again."""
        self.looks = 0
        """How often a recording was looked at, to see whether its recorder has closed it."""
        self.refused = 0
        """Calls that were not recorded for want of space."""
        self.trouble = ""
        """Why the last recording could not be finished; "" while all is well."""
        self._missed = ""
        """Why the folder could not be read, as it was said last."""
        self._is_live = is_live
        self._limits = limits or DiskLimits()
        self._pace = pace or Pace()
        self._due: dict[str, dict[str, int]] = {}
        """Name -> (file -> size at the last look)."""
        self._ended: list[str] = []
        """Interactions that ended since the last look."""
        self._wake = asyncio.Event()

    @property
    def unfinished(self) -> int:
        """Recordings that are over and wait to be finished."""
        return len(self._due)

    def may_record(self) -> bool:
        """Whether one more recording may begin; a refusal is counted."""
        if self.disk_low:
            self.refused += 1
        return not self.disk_low

    def ended(self, interaction_id: str) -> None:
        """An interaction is over: finish what was recorded of it."""
        self._ended.append(interaction_id)
        self._wake.set()

    async def run(self) -> None:
        """Finish recordings and watch the disk until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_disk(), name="recordings-disk")
            group.create_task(self._sweep_now_and_then(), name="recordings-sweep")
            group.create_task(self._finish_what_is_due(), name="recordings-finish")

    async def sweep(self) -> int:
        """Look through the whole folder for recordings that nobody finished; return how many were found."""
        names = await asyncio.to_thread(_unfinished, self.folder)
        leftovers = [name for name in names if not self._is_live(name.rpartition("_")[0])]
        for name in leftovers:
            self._due.setdefault(name, {})
        self._wake.set()
        return len(leftovers)

    async def look_at_disk(self) -> None:
        """Measure free space, and say when that changes what may be recorded."""
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self.folder)
        except OSError as missing:
            log.debug("the recordings folder cannot be measured", why=missing.strerror)
            self.free_bytes = None
            return
        self.free_bytes = usage.free
        low = usage.free < self._limits.bytes or usage.free < usage.total * self._limits.share
        if low and not self.disk_low:
            log.error(
                "disk almost full: new calls are not recorded", free_mb=usage.free // 10**6, folder=str(self.folder)
            )
        elif self.disk_low and not low:
            log.info("there is space again: new calls are recorded", free_mb=usage.free // 10**6)
        self.disk_low = low

    async def _watch_disk(self) -> None:
        while True:
            await self.look_at_disk()
            await asyncio.sleep(self._pace.disk)

    async def _sweep_now_and_then(self) -> None:
        while True:
            try:
                if found := await self.sweep():
                    log.info("recordings to finish", found=found)
            except OSError as missing:
                self._miss(missing)
            else:
                self._found_again()
            await asyncio.sleep(self._pace.sweep)

    async def _finish_what_is_due(self) -> None:
        while True:
            if not self._due and not self._ended:
                self._wake.clear()
                await self._wake.wait()
            await self._take_ended()
            for name in list(self._due):
                try:
                    await self._look(name)
                except (OSError, EOFError, wave.Error, RecordingUnreadable) as failed:
                    del self._due[name]  # until the next sweep: a full disk may have space by then
                    self._complain(f"{name}: {failed}")
            await asyncio.sleep(self._pace.look)

    async def _take_ended(self) -> None:
        """Most visits were never recorded: they are sorted out in one step, not each by a thread of its own."""
        ended, self._ended = self._ended, []
        if ended:
            for name in await asyncio.to_thread(_recorded, self.folder, ended):
                self._due.setdefault(name, {})

    async def _look(self, name: str) -> None:
        """Finish a recording if its files are whole and did not change since the last look."""
        self.looks += 1
        sides = await asyncio.to_thread(_sides, self.folder, name)
        sizes = {side.path.name: side.size for side in sides}
        if not sides:
            del self._due[name]
        elif sizes != self._due[name]:
            self._due[name] = sizes
        elif all(side.complete or time.time() - side.touched > ABANDONED_S for side in sides):
            await asyncio.to_thread(finish, self.folder, name)
            del self._due[name]
            self.finished += 1
            self.trouble = ""

    def _miss(self, missing: OSError) -> None:
        """The folder cannot be looked through: no recording is lost by that, and it is said once."""
        self.trouble = f"{self.folder}: {missing.strerror}"
        self.failures += 1
        if self.trouble != self._missed:
            self._missed = self.trouble
            log.warning(
                "the recordings folder cannot be read",
                folder=str(self.folder),
                why=missing.strerror,
                mend="`callwright asterisk apply` makes it; or set asterisk.recordings; see `callwright doctor`",
            )

    def _found_again(self) -> None:
        if self._missed and self.trouble == self._missed:
            self.trouble = ""
        self._missed = ""

    def _complain(self, what: str) -> None:
        self.trouble = what
        self.failures += 1
        log.error("a recording cannot be finished now", why=what)


def finish(folder: Path, name: str) -> None:
    """Make the stereo file of one recording and remove its one-way files. Belongs in a thread.

    Both directions begin together; the shorter one is followed by silence. A direction that is missing is silence.
    Where nothing was recorded at all, as with somebody whom nobody was joined to, nothing is left.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing was changed.
        RecordingUnreadable: the one-way files are not what MixMonitor writes.
    """
    whole = folder / f"{name}.wav"
    sides = _sides(folder, name)
    if not any(side.frames for side in sides) and not _is_stereo(whole):
        whole.unlink(missing_ok=True)
    elif not _is_stereo(whole):  # else a kill came after the renaming: only cleaning up is left
        _write_stereo(folder / f"{name}{DRAFT}", whole, sides)
    for side in SIDES:
        (folder / f"{name}{side}").unlink(missing_ok=True)


def _write_stereo(draft: Path, whole: Path, sides: list[_Side]) -> None:
    rates = {side.rate for side in sides}
    if len(rates) != 1:
        raise RecordingUnreadable(f"the directions were sampled at {sorted(rates)} Hz", where=str(whole))
    frames = max(side.frames for side in sides)
    by_ending = {side.path.name.removeprefix(whole.stem): side for side in sides}
    try:
        with draft.open("wb") as file:
            with wave.open(file, "wb") as stereo:
                stereo.setparams((2, SAMPLE_BYTES, rates.pop(), frames, "NONE", "not compressed"))
                with _Samples(by_ending.get(SIDES[0])) as left, _Samples(by_ending.get(SIDES[1])) as right:
                    for start in range(0, frames, CHUNK_FRAMES):
                        count = min(CHUNK_FRAMES, frames - start)
                        pair = array("h", bytes(2 * SAMPLE_BYTES * count))
                        pair[0::2] = left.read(count)
                        pair[1::2] = right.read(count)
                        stereo.writeframesraw(pair.tobytes())
            file.flush()
            if whole.exists():
                os.fchmod(file.fileno(), whole.stat().st_mode & 0o777)  # whoever could listen to it before still can
            os.fsync(file.fileno())
        draft.replace(whole)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class _Samples:
    """One direction, read in pieces; silence after its end, or all along when there is none."""

    def __init__(self, side: _Side | None) -> None:
        self._side = side
        self._file: BinaryIO | None = None
        self._left = side.frames if side is not None else 0

    def __enter__(self) -> _Samples:
        if self._side is not None:
            self._file = self._side.path.open("rb")
            self._file.seek(HEADER_BYTES)  # not by `wave`: it trusts a header that a dead Asterisk left at zero
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, count: int) -> array[int]:
        """The next `count` samples."""
        wanted = min(count, self._left)
        data = self._file.read(wanted * SAMPLE_BYTES) if self._file is not None else b""
        self._left -= wanted
        return array("h", data.ljust(count * SAMPLE_BYTES, b"\0"))


def _sides(folder: Path, name: str) -> list[_Side]:
    """The one-way files that exist."""
    return [side for ending in SIDES if (side := _side(folder / f"{name}{ending}")) is not None]


def _recorded(folder: Path, interactions: list[str]) -> list[str]:
    """The names with a one-way file. Plain strings: it looks for 40 files for each interaction."""
    stems = (f"{folder}/{interaction}_{visit}" for interaction in interactions for visit in range(1, VISITS + 1))
    return [os.path.basename(stem) for stem in stems if any(os.path.exists(stem + ending) for ending in SIDES)]


def _side(path: Path) -> _Side | None:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            unwritten = _Side(path, found.st_size, USUAL_RATE, complete=False, touched=found.st_mtime)
            start = file.read(8)
            if found.st_size < HEADER_BYTES or not start.startswith(MAGIC) or not any(start[len(MAGIC) :]):
                return unwritten  # no length yet: Asterisk writes it with the first sound, or never
            file.seek(0)
            with wave.open(file) as sound:
                shape = (sound.getnchannels(), sound.getsampwidth())
                promised, rate = sound.getnframes(), sound.getframerate()
    except FileNotFoundError:
        return None
    if shape != (1, SAMPLE_BYTES):
        raise RecordingUnreadable(f"{shape[0]} channels of {8 * shape[1]} bits", where=str(path))
    real = (found.st_size - HEADER_BYTES) // SAMPLE_BYTES
    return _Side(path, found.st_size, rate, complete=promised == real, touched=found.st_mtime)


def _is_stereo(path: Path) -> bool:
    try:
        with wave.open(str(path)) as sound:
            return bool(sound.getnchannels() == 2)
    except (FileNotFoundError, EOFError, wave.Error):
        return False


def _unfinished(folder: Path) -> set[str]:
    """Names with one-way files; half-made stereo files of a killed engine are removed on the way."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(DRAFT):
                os.unlink(entry.path)
            for ending in SIDES:
                if entry.name.endswith(ending):
                    names.add(entry.name.removesuffix(ending))
    return names
