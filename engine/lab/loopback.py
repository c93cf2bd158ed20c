"""Free ports on loopback, for one run of the lab."""

import itertools
import os
import socket
from typing import Final

_FIRST, _END, _BLOCK = 10_000, 32_000, 400
_taken: Final[set[int]] = set()
_turn: Final = itertools.count(os.getpid())


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port that nobody uses now and that this process has not handed out before."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in _taken:
            _taken.add(port)
            return port


def rtp_block() -> tuple[int, int]:
    """First and last of 400 UDP ports for media, below the range the kernel hands out by itself (32768 and up).

    Blocks go round, beginning at one that depends on the process, so that runs side by side rarely meet; where they do,
    Asterisk passes over single ports in use.
    """
    base = _FIRST + next(_turn) % ((_END - _FIRST) // _BLOCK) * _BLOCK
    return base, base + _BLOCK - 1
