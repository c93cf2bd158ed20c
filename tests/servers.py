"""Real servers for tests: PostgreSQL and mosquitto from the system's packages, on loopback, thrown away afterwards.

Use as fixtures by importing them in a `conftest.py`: `from tests.servers import mosquitto_server, postgres_server`.
Both servers refuse to run as root, so root starts them as `nobody`. Nothing of the system's own services is touched.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_WITHIN_S = 30.0
LOOPBACK = "127.0.0.1"


class ServerMissing(Exception):
    """The program is not installed; the text says how to get it."""


def free_port() -> int:
    """Return a TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _unprivileged() -> str | None:
    """Return the account that root lends to a server, or None when we are no root ourselves."""
    return "nobody" if os.geteuid() == 0 else None


def _own(path: Path) -> None:
    """Give a directory to the account that the server will run as."""
    if account := _unprivileged():
        entry = pwd.getpwnam(account)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _start(arguments: Sequence[str], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            user=_unprivileged(),
            extra_groups=[] if _unprivileged() else None,
        )


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once something accepts on the port.

    :raises RuntimeError: the server ended, or did not listen within 30 s; the text holds the end of its log.
    """
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=0.2):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    _stop(process, signal.SIGKILL)
    raise RuntimeError(f"{process.args!r} does not listen on {port}: {log.read_text(errors='replace')[-2000:]}")


def _find(program: str, package: str, *places: str) -> str:
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))
    if found is None:
        raise ServerMissing(f"{program} is not installed: apt-get install {package}")
    return found


@dataclass
class PostgresServer:
    """A PostgreSQL cluster of its own. Trusts loopback; fsync is off because nothing outlives the test."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    _made: int = 0

    def start(self) -> None:
        """Start it (again); the cluster is made the first time."""
        data = self.directory / "data"
        log = self.directory / "postgres.log"
        if not data.exists():
            _own(self.directory)
            command = [self._program("initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
            made = subprocess.run(
                [*command, "--no-locale", "--no-sync"],
                capture_output=True,
                text=True,
                check=False,
                cwd=self.directory,
                user=_unprivileged(),
                extra_groups=[] if _unprivileged() else None,
            )
            if made.returncode:
                raise RuntimeError(made.stderr)
        options = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "50",
        }
        arguments = [self._program("postgres"), "-D", str(data), "-p", str(self.port)]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        self.process = _start(arguments, log, self.directory)
        _wait_for_port(self.process, self.port, log)
        self._psql("postgres", "SELECT 1")

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGQUIT: its children go too)."""
        if self.process is not None:
            _stop(self.process, signal.SIGQUIT)

    def stop(self) -> None:
        """End it, dropping every connection."""
        if self.process is not None:
            _stop(self.process, signal.SIGINT)

    def new_database(self) -> str:
        """Make an empty database and return its URL for asyncpg. Each costs 8 MB and 300 files."""
        self._made += 1
        name = f"test_{self._made}"
        self._psql("postgres", f"CREATE DATABASE {name}")
        return f"postgresql+asyncpg://postgres@{LOOPBACK}:{self.port}/{name}"

    def execute(self, url: str, sql: str) -> None:
        """Run SQL in a database that `new_database` made."""
        self._psql(url.rpartition("/")[2], sql)

    def _psql(self, database: str, sql: str) -> None:
        """Run SQL in one transaction. Retries while the server says that it is still starting up."""
        command = [self._program("psql"), "-X", "-q", "-h", LOOPBACK, "-p", str(self.port), "-U", "postgres"]
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            done = subprocess.run([*command, "-d", database, "-c", sql], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return
            # "starting up", or after a crash "not yet accepting connections": it comes by itself
            if "the database system is" not in done.stderr or time.monotonic() > deadline:
                raise RuntimeError(done.stderr)

    def _program(self, name: str) -> str:
        # Debian keeps the server's programs out of PATH, one folder per major version.
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return _find(name, "postgresql", *map(str, places))


@dataclass
class MosquittoServer:
    """A mosquitto broker without persistence, open to everyone on loopback."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again) on the same port."""
        log = self.directory / "mosquitto.log"
        settings = self.directory / "mosquitto.conf"
        settings.write_text(
            f"listener {self.port} {LOOPBACK}\nallow_anonymous true\npersistence false\nlog_dest stdout\n"
        )
        settings.chmod(0o644)
        _own(self.directory)
        program = _find("mosquitto", "mosquitto", "/usr/sbin", "/usr/local/sbin")
        self.process = _start([program, "-c", str(settings)], log, self.directory)
        _wait_for_port(self.process, self.port, log)

    def kill(self) -> None:
        """End it at once: its connections break, its retained messages are lost."""
        if self.process is not None:
            _stop(self.process, signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            _stop(self.process, signal.SIGTERM)


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Yield a new directory that the unprivileged account can reach (pytest's own are closed to it)."""
    with tempfile.TemporaryDirectory(prefix=f"callwright-{name}-", ignore_cleanup_errors=True) as made:
        path = Path(made)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run; ask it for `new_database()`. Tests that kill it start their own."""
    with scratch("postgres") as directory:
        server = PostgresServer(directory)
        server.start()
        try:
            yield server
        finally:
            server.kill()  # nothing in it is worth an orderly end


@pytest.fixture
def mosquitto_server() -> Iterator[MosquittoServer]:
    """A broker for one test, which may kill and start it."""
    with scratch("mosquitto") as directory:
        server = MosquittoServer(directory)
        server.start()
        try:
            yield server
        finally:
            server.stop()
