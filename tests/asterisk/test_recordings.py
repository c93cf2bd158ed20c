"""Recordings: what MixMonitor leaves becomes one stereo file, whatever happens on the way."""

import asyncio
import os
import resource
import wave
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from engine.asterisk.recordings import (
    CHUNK_FRAMES,
    HEADER_BYTES,
    DiskLimits,
    Pace,
    Recordings,
    RecordingUnreadable,
    finish,
)

NAME = "ix_01JD0000000000000000000000_1"
PACE = Pace(look=0.01, disk=0.01, sweep=60)


def record(path: Path, samples: list[int], *, rate: int = 8000) -> None:
    """A file that its recorder has closed."""
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        sound.writeframes(array("h", samples).tobytes())


def being_written(path: Path, samples: list[int]) -> None:
    """A file whose recorder has not completed the header: it still says that there is nothing."""
    record(path, samples)
    whole = bytearray(path.read_bytes())
    whole[4:8], whole[40:44] = (36).to_bytes(4, "little"), (0).to_bytes(4, "little")
    path.write_bytes(whole)


def both(folder: Path, left: list[int], right: list[int], name: str = NAME) -> None:
    record(folder / f"{name}.wav", [1] * max(len(left), len(right)))
    record(folder / f"{name}-in.wav", left)
    record(folder / f"{name}-out.wav", right)


def read(path: Path) -> tuple[list[int], list[int]]:
    with wave.open(str(path)) as sound:
        assert sound.getnchannels() == 2
        assert os.stat(path).st_size == HEADER_BYTES + 4 * sound.getnframes()
        pairs = array("h", sound.readframes(sound.getnframes()))
    return list(pairs[0::2]), list(pairs[1::2])


@asynccontextmanager
async def running(recordings: Recordings) -> AsyncIterator[Recordings]:
    task = asyncio.create_task(recordings.run())
    try:
        yield recordings
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - of files, which tell nobody
            await asyncio.sleep(0.01)


async def until_stereo(path: Path) -> None:
    await until(lambda: path.exists() and not any(path.parent.glob(f"{path.stem}-*.wav")))


SAMPLES = st.lists(st.integers(-32768, 32767), max_size=50)


@given(left=SAMPLES.filter(bool), right=SAMPLES)
def test_left_is_the_caller_and_the_shorter_side_ends_in_silence(
    tmp_path_factory: pytest.TempPathFactory, left: list[int], right: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("recordings")
    both(folder, left, right)
    finish(folder, NAME)
    length = max(len(left), len(right))
    assert read(folder / f"{NAME}.wav") == (left + [0] * (length - len(left)), right + [0] * (length - len(right)))
    assert os.listdir(folder) == [f"{NAME}.wav"]


def test_of_somebody_whom_nobody_was_joined_to_nothing_is_left(tmp_path: Path) -> None:
    both(tmp_path, [], [])
    finish(tmp_path, NAME)
    assert os.listdir(tmp_path) == []


async def test_a_recorder_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    for ending in ("-in.wav", "-out.wav"):
        (tmp_path / f"{NAME}{ending}").write_bytes(b"RIFF\0\0\0\0WAVEfmt ".ljust(HEADER_BYTES, b"\0"))
    with capture_logs() as logs:
        async with running(Recordings(tmp_path, is_live=lambda _id: False, pace=PACE)) as recordings:
            recordings.ended(NAME.rpartition("_")[0])
            await until(lambda: recordings.looks > 2)
            assert recordings.unfinished == 1
            both(tmp_path, [], [])
            await until(lambda: os.listdir(tmp_path) == [])
    assert [entry for entry in logs if entry["log_level"] != "info"] == []


def test_a_long_recording_is_joined_in_pieces(tmp_path: Path) -> None:
    left = [n % 1000 for n in range(2 * CHUNK_FRAMES + 7)]
    right = [-(n % 500) for n in range(CHUNK_FRAMES + 3)]
    both(tmp_path, left, right)
    finish(tmp_path, NAME)
    found_left, found_right = read(tmp_path / f"{NAME}.wav")
    assert found_left == left
    assert found_right == right + [0] * (len(left) - len(right))


@pytest.mark.parametrize("missing", ["-in.wav", "-out.wav"])
def test_a_missing_direction_is_silence(tmp_path: Path, missing: str) -> None:
    both(tmp_path, [1, 2], [3, 4])
    (tmp_path / f"{NAME}{missing}").unlink()
    finish(tmp_path, NAME)
    assert read(tmp_path / f"{NAME}.wav") == (([0, 0], [3, 4]) if missing == "-in.wav" else ([1, 2], [0, 0]))


def test_a_kill_between_renaming_and_cleaning_up_costs_nothing(tmp_path: Path) -> None:
    both(tmp_path, [1, 2], [3, 4])
    one_way = (tmp_path / f"{NAME}-out.wav").read_bytes()
    finish(tmp_path, NAME)
    (tmp_path / f"{NAME}-out.wav").write_bytes(one_way)
    finish(tmp_path, NAME)
    assert read(tmp_path / f"{NAME}.wav") == ([1, 2], [3, 4])
    assert os.listdir(tmp_path) == [f"{NAME}.wav"]


def test_who_could_listen_before_still_can(tmp_path: Path) -> None:
    both(tmp_path, [1], [2])
    (tmp_path / f"{NAME}.wav").chmod(0o640)
    finish(tmp_path, NAME)
    assert (tmp_path / f"{NAME}.wav").stat().st_mode & 0o777 == 0o640


def test_what_is_no_recording_is_refused_and_left_alone(tmp_path: Path) -> None:
    record(tmp_path / f"{NAME}-in.wav", [1], rate=8000)
    record(tmp_path / f"{NAME}-out.wav", [1], rate=16000)
    with pytest.raises(RecordingUnreadable, match="8000, 16000"):
        finish(tmp_path, NAME)
    assert len(os.listdir(tmp_path)) == 2


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """Files cannot grow beyond `size` bytes: the write fails as on a full disk (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    both(tmp_path, [5] * 4000, [6] * 4000)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with disk_full_after(9000), pytest.raises(OSError, match="too large"):
        finish(tmp_path, NAME)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    finish(tmp_path, NAME)
    assert read(tmp_path / f"{NAME}.wav") == ([5] * 4000, [6] * 4000)


async def test_it_is_finished_when_the_interaction_has_ended(tmp_path: Path) -> None:
    async with running(Recordings(tmp_path, lambda _id: True, pace=PACE)) as recordings:
        both(tmp_path, [1], [2])
        recordings.ended(NAME.rpartition("_")[0])
        await until_stereo(tmp_path / f"{NAME}.wav")
        await until(lambda: recordings.finished == 1)


async def test_a_file_that_is_still_written_is_not_touched(tmp_path: Path) -> None:
    both(tmp_path, [1], [2])
    being_written(tmp_path / f"{NAME}-out.wav", [2, 3])
    async with running(Recordings(tmp_path, lambda _id: False, pace=PACE)) as recordings:
        await until(lambda: recordings.looks > 5)
        assert recordings.finished == 0
        record(tmp_path / f"{NAME}-out.wav", [2, 3])
        await until_stereo(tmp_path / f"{NAME}.wav")
    assert read(tmp_path / f"{NAME}.wav") == ([1, 0], [2, 3])


async def test_what_a_dead_asterisk_left_open_is_saved(tmp_path: Path) -> None:
    being_written(tmp_path / f"{NAME}-in.wav", [7, 8, 9])
    being_written(tmp_path / f"{NAME}-out.wav", [1])
    for end in ("-in.wav", "-out.wav"):
        os.utime(tmp_path / f"{NAME}{end}", (1, 1))
    async with running(Recordings(tmp_path, lambda _id: False, pace=PACE)):
        await until_stereo(tmp_path / f"{NAME}.wav")
    assert read(tmp_path / f"{NAME}.wav") == ([7, 8, 9], [1, 0, 0])


async def test_leftovers_are_finished_at_start_but_not_those_of_live_calls(tmp_path: Path) -> None:
    live = "ix_01JD0000000000000000000001"
    both(tmp_path, [1], [2])
    both(tmp_path, [1], [2], f"{live}_1")
    (tmp_path / f"{NAME}.stereo-draft").write_bytes(b"half")
    async with running(Recordings(tmp_path, lambda id_: id_ == live, pace=PACE)) as recordings:
        await until_stereo(tmp_path / f"{NAME}.wav")
        await until(lambda: recordings.finished == 1)
    assert sorted(os.listdir(tmp_path)) == [
        f"{NAME}.wav",
        *(f"{live}_1{end}" for end in ("-in.wav", "-out.wav", ".wav")),
    ]


async def test_a_broken_file_stops_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "ix_00_1-in.wav").write_bytes(b"x" * 100)
    both(tmp_path, [1], [2])
    async with running(Recordings(tmp_path, lambda _id: False, pace=PACE)) as recordings:
        await until_stereo(tmp_path / f"{NAME}.wav")
        assert (tmp_path / "ix_00_1-in.wav").exists()
        await until(lambda: recordings.finished == 1)


async def test_a_low_disk_refuses_new_recordings_and_says_so(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, lambda _id: False, limits=DiskLimits(bytes=2**62, share=0.0))
    assert recordings.may_record()
    await recordings.look_at_disk()
    assert not recordings.may_record()
    assert (recordings.disk_low, recordings.refused) == (True, 1)


async def test_a_share_of_the_disk_counts_too(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, lambda _id: False, limits=DiskLimits(bytes=0, share=1.0))
    await recordings.look_at_disk()
    assert recordings.disk_low


async def test_a_folder_that_is_not_there_is_said_once_and_is_no_error(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    recordings = Recordings(gone, lambda _id: False, pace=Pace(look=0.01, disk=0.01, sweep=0.001))
    with capture_logs() as said:
        async with running(recordings):
            await until(lambda: recordings.failures > 3)
            gone.mkdir()
            await until(lambda: not recordings.trouble)
    told = [line for line in said if line["log_level"] in ("warning", "error")]
    assert [(line["log_level"], line["folder"]) for line in told] == [("warning", str(gone))]
    assert "asterisk apply" in told[0]["mend"]


async def test_a_folder_that_is_not_there_blocks_nothing(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "gone", lambda _id: False, pace=PACE)
    async with running(recordings):
        await until(lambda: bool(recordings.trouble))
    assert recordings.may_record()
