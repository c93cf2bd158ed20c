"""Prints the entries of a lock file (standard input) that belong to the packages named, hashes included.

For images that need two or three of the project's packages and not all of them:
`python3 locked.py msgspec pyst2 < requirements.lock > parts.txt`.
"""

import re
import sys
from collections.abc import Iterable, Sequence


def entries(lock: Iterable[str]) -> dict[str, str]:
    """Package name -> its whole entry, the continued lines with the hashes as well. Comments are left out."""
    found: dict[str, str] = {}
    name = ""
    for line in lock:
        start = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)==", line)
        if start is not None:
            name = normal(start[1])
        elif not line[:1].isspace():
            name = ""
        if name:
            found[name] = found.get(name, "") + line
    return found


def normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(names: Sequence[str]) -> int:
    """Print the entries; 1 if one is missing."""
    known = entries(sys.stdin)
    missing = [name for name in names if normal(name) not in known]
    if missing:
        print(f"not in the lock file: {', '.join(missing)}", file=sys.stderr)
        return 1
    sys.stdout.writelines(known[normal(name)] for name in names)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
