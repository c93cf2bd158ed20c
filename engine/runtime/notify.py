"""systemd's notification protocol (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"


class Notifier:
    """Tells the service manager how we are; without one it tells nobody. Never blocks, never fails."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get(VARIABLE, "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._said_ready = False

    def alive(self) -> None:
        """We work: READY=1 the first time, and WATCHDOG=1 each time."""
        self._send("WATCHDOG=1" if self._said_ready else "READY=1\nWATCHDOG=1")
        self._said_ready = True

    def watching(self) -> None:
        """Somebody is here, whatever becomes of the engine: WATCHDOG=1."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """We were asked to stop."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
            try:
                out.sendto(text.encode(), self._address)
            except OSError:
                return  # the service manager is away or busy: it asks again by its own watchdog
