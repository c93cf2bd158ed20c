"""The watch over real child processes that freeze, die, end, flood and do not listen."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from engine.runtime.watch import Patience

ROOT = Path(__file__).resolve().parents[2]
QUICK = Patience(silence=1.0, start=2.5, stop=1.5, farewell=0.3, tick=0.1, steady=30, pauses=(0.05, 0.1, 5.0))


class Watched:
    """A watch in a process of its own, with short patience."""

    def __init__(self, home: Path, *child: str) -> None:
        self.note = home / "note"
        self.pid_file = home / "engine.pid"
        self.note.touch()
        names = ", ".join(f"{name}={getattr(QUICK, name)!r}" for name in Patience.__struct_fields__)
        code = (
            "import sys; from pathlib import Path; from engine.runtime.watch import Patience, Watch;"
            f"sys.exit(Watch(sys.argv[2:], Path(sys.argv[1]), lambda t: print(t, file=sys.stderr, flush=True),"
            f" Patience({names})).run())"
        )
        command = [sys.executable, "-c", code, str(self.pid_file)]
        command += [sys.executable, "-m", "tests.runtime.engines", *child, str(self.note)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def lines(self, word: str) -> list[str]:
        return [line for line in self.note.read_text().splitlines() if line.startswith(word)]

    @property
    def children(self) -> list[int]:
        return [int(line.split()[1]) for line in self.lines("start")]

    def until(self, condition: Callable[[], bool], within: float = 20.0) -> None:
        ends = time.monotonic() + within
        while not condition():
            assert time.monotonic() < ends, self.note.read_text()
            time.sleep(0.01)

    def started(self, times: int = 1) -> int:
        """Wait for the n-th start; its pid."""
        self.until(lambda: len(self.children) >= times)
        return self.children[-1]

    def beating(self) -> int:
        """Wait for a child that beats; its pid."""
        pid = self.started()
        self.until(lambda: self.pid_file.exists() and self.pid_file.read_text() == f"{pid}\n")
        return pid

    def end(self) -> tuple[int, str]:
        """Wait for the watch's own end: its exit code and what it said."""
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said

    def clean(self) -> None:
        """End what is left; the children first let go of the pipe that we read."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(*child: str) -> Watched:
        made.append(Watched(tmp_path, *child))
        return made[-1]

    yield make
    for each in made:
        each.clean()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


Make = Callable[..., Watched]


def test_sigterm_is_handed_on_and_its_end_is_ours(watch: Make) -> None:
    watched = watch("beats")
    watched.beating()
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end() == (0, "")
    assert len(watched.lines("SIGTERM")) == 1
    assert not watched.pid_file.exists()


def test_each_signal_is_handed_on_so_that_the_second_can_hurry(watch: Make) -> None:
    watched = watch("deaf")
    watched.beating()
    for count in (1, 2):
        watched.process.send_signal(signal.SIGTERM)
        watched.until(partial(_heard, watched, count))


def _heard(watched: Watched, count: int) -> bool:
    return len(watched.lines("SIGTERM")) == count


def test_a_child_that_does_not_hear_sigterm_is_killed_in_the_end(watch: Make) -> None:
    watched = watch("deaf")
    pid = watched.beating()
    watched.process.send_signal(signal.SIGTERM)
    code, said = watched.end()
    assert code == 1
    assert "killing it" in said
    assert gone(pid)


def test_a_killed_child_is_started_again(watch: Make) -> None:
    watched = watch("beats")
    os.kill(watched.beating(), signal.SIGKILL)
    second = watched.started(2)
    watched.until(lambda: watched.pid_file.read_text() == f"{second}\n")


def test_a_stopped_child_is_killed_and_started_again(watch: Make) -> None:
    watched = watch("beats")
    pid = watched.beating()
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    watched.started(2)
    assert time.monotonic() - began < QUICK.silence + QUICK.farewell + 3  # 3 s for a busy machine to start Python
    assert gone(pid)


def test_a_child_stopped_for_less_than_our_patience_lives_on(watch: Make) -> None:
    watched = watch("beats")
    pid = watched.beating()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(QUICK.silence / 3)
    os.kill(pid, signal.SIGCONT)
    time.sleep(2 * QUICK.silence)
    assert watched.children == [pid]


def test_a_hanging_loop_is_killed_and_says_where_it_hangs(watch: Make) -> None:
    watched = watch("freezes")
    watched.started(2)
    watched.process.send_signal(signal.SIGTERM)
    _, said = watched.end()
    assert "Fatal Python error: Aborted" in said
    assert "engines.py" in said


def test_a_child_that_never_beats_is_killed_after_the_longer_time(watch: Make) -> None:
    watched = watch("never")
    watched.started()
    began = time.monotonic()
    watched.started(2)
    assert time.monotonic() - began > QUICK.start - 1
    assert not watched.pid_file.exists()


def test_a_child_that_closes_the_pipe_and_lives_on_is_killed(watch: Make) -> None:
    watched = watch("closes")
    pid = watched.started()
    watched.started(2)
    assert gone(pid)


def test_a_flood_of_beats_harms_nobody(watch: Make) -> None:
    watched = watch("floods")
    pid = watched.beating()
    time.sleep(2 * QUICK.silence)
    assert watched.children == [pid]
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end()[0] == 0


@pytest.mark.parametrize("code", [0, 2, 4])
def test_an_end_that_a_new_start_would_not_mend_is_the_end(watch: Make, code: int) -> None:
    watched = watch("ends", str(code))
    assert watched.end() == (code, "")
    assert len(watched.children) == 1


def test_any_other_end_is_tried_again_with_longer_and_longer_pauses(watch: Make) -> None:
    watched = watch("ends", "1")
    watched.started(3)
    watched.process.send_signal(signal.SIGTERM)
    code, said = watched.end()
    assert code in (0, 1)
    assert "ended with 1; starting it again in 0.1 s" in said
    assert "in 5 s" not in said.splitlines()[0]


def test_a_stop_during_a_long_pause_is_heard_at_once(watch: Make) -> None:
    watched = watch("ends", "1")
    watched.started(3)
    os.kill(watched.process.pid, 0)
    began = time.monotonic()
    watched.process.send_signal(signal.SIGTERM)
    watched.end()
    assert time.monotonic() - began < 3


def test_a_stopped_watch_does_not_judge_by_its_own_sleep(watch: Make) -> None:
    watched = watch("beats")
    pid = watched.beating()
    for process in (watched.process.pid, pid):
        os.kill(process, signal.SIGSTOP)
    time.sleep(2 * QUICK.silence)
    os.kill(watched.process.pid, signal.SIGCONT)  # the watch wakes first, and finds no beat
    time.sleep(QUICK.silence / 3)
    os.kill(pid, signal.SIGCONT)
    time.sleep(2 * QUICK.silence)
    assert watched.children == [pid]


def test_a_child_notices_that_its_watch_was_killed_and_ends(watch: Make) -> None:
    watched = watch("beats")
    pid = watched.beating()
    watched.process.kill()
    watched.process.wait()
    watched.until(lambda: bool(watched.lines("orphaned")))
    watched.until(lambda: bool(watched.lines("end")))
    watched.until(lambda: gone(pid))
