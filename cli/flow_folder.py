"""The flows that an engine would find in its folder when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.domain.flow import Flow


def usable_flows(folder: Path) -> dict[str, Flow]:
    """Flows by name; files that no engine could use are left out.

    Raises:
        OSError: the folder or a file in it cannot be read.
    """
    from engine.flows.parser import parse

    found = {}
    for file in sorted(each for each in folder.iterdir() if each.suffix == ".yaml"):
        try:
            flow = parse(file.read_text(encoding="utf-8-sig"), str(file))
        except (ConfigError, UnicodeDecodeError):
            continue
        found[flow.name] = flow
    return found
