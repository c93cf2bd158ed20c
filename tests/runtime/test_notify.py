"""The service manager's protocol, against a real datagram socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def test_ready_is_said_once_and_the_watchdog_fed_each_time(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.alive()
    notifier.alive()
    notifier.stopping()
    assert [manager.recv(99) for _ in range(3)] == [b"READY=1\nWATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0callwright-test-notify")
        listening.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@callwright-test-notify"}).watching()
        assert listening.recv(99) == b"WATCHDOG=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    Notifier(environment).alive()


def test_a_busy_manager_does_not_block_us(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    for _ in range(1000):  # far more than the kernel queues for one socket
        notifier.watching()
