"""Whether the engine in this container lives: GET /healthz over its Unix socket. Standard library only.

Not /readyz: an engine that waits for Asterisk or for the database is well and must not be restarted for it.
"""

import http.client
import os
import socket
import sys
from pathlib import Path

TIMEOUT_S = 3.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def main() -> int:
    """0 if it answers 200, else 1 and the reason in a line."""
    path = Path(os.environ.get("CALLWRIGHT__PATHS__DATA", "var")) / "callwright.sock"
    connection = UnixConnection(path)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as wrong:
        print(f"{path}: {wrong}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    print(f"{path}: {status}")
    return 0 if status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
