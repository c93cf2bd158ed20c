"""The API on a Unix socket that only the engine's own user may open."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from engine.errors import ConfigError, Conflict

FAREWELL_S = 2.0
"""How long requests under way may take when the engine stops."""
LONGEST_PATH = 107
"""Bytes of a socket's path (Linux, unix(7): sun_path holds 108 with its end)."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: signals belong to the engine."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


async def serve_unix(app: ASGIApp, path: Path) -> None:
    """Serve until cancelled; then let requests under way finish, briefly, and remove the socket.

    :raises Conflict: another engine serves there.
    :raises ConfigError: the path cannot be a socket.
    """
    listening = _bind(path)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=round(FAREWELL_S),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=FAREWELL_S + 1)
        serving.cancel()
        listening.close()
        _remove(path)


def _bind(path: Path) -> socket.socket:
    """A listening socket with rights 0600 from its first moment on; a dead engine's leftover is replaced."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(
            f"a socket's path has at most {LONGEST_PATH} bytes",
            where=f"paths.data ({path})",
            mend="Use a shorter data folder.",
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_dead(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # fchmod before bind sets the rights of the file that bind makes (Linux): no moment with wider ones.
        os.fchmod(listening.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        listening.bind(str(path))
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listening.setblocking(False)
    except OSError as refused:
        listening.close()
        raise ConfigError(
            f"no socket can be made here: {refused.strerror}", where=str(path), mend="Check the folder and its rights."
        ) from refused
    return listening


def _remove_dead(path: Path) -> None:
    """Remove a socket that nobody serves.

    :raises Conflict: somebody serves it.
    :raises ConfigError: what lies there is no socket.
    """
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError("this is no socket", where=str(path), mend="Move it away, or use another data folder.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise Conflict("another engine serves here", where=str(path), mend="Stop it first, or use another data folder.")


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
