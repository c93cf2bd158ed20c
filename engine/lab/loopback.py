"""Free ports on loopback, for one run of the lab."""

import socket
from typing import Final

_taken: Final[set[int]] = set()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port that nobody uses now and that this process has not handed out before."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in _taken:
            _taken.add(port)
            return port


def rtp_block(size: int = 400) -> tuple[int, int]:
    """First and last of `size` UDP ports for media, below the range the kernel hands out by itself (32768 and up).

    Asterisk passes over single ports that are in use, so the block need not be wholly free; blocks of one process differ.
    """
    base = 10_000
    while base in _taken or not _bindable(base):
        base += size
        if base + size > 32_000:
            message = "no free block of RTP ports below 32000"
            raise OSError(message)
    _taken.add(base)
    return base, base + size - 1


def _bindable(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
