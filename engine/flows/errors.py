"""What can be wrong with a flow file: each fault with its file, line, column and mend."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ConfigError

SHOWN = 20
"""So many faults are spelled out in one message; `items` holds them all."""


class FlowError(ConfigError):
    """One fault of a flow file. `line` and `column` count from 1; 0 where the fault has no place."""

    error_id = "flow"

    def __init__(self, what: str, *, file: str, line: int = 0, column: int = 0, mend: str = "") -> None:
        super().__init__(what, where=f"{file}:{line}:{column}" if line else file, mend=mend)
        self.file = file
        self.line = line
        self.column = column


class FlowErrors(ConfigError):
    """A flow file that cannot be used; every fault is in `items`, in the file's order. The old flow stays live."""

    error_id = "flow-broken"

    def __init__(self, items: Sequence[FlowError]) -> None:
        first = items[0]
        faults = f"{len(items)} faults" if len(items) > 1 else "1 fault"
        super().__init__(f"the flow cannot be used: {faults}", where=first.file, mend=self._spelled_out(items))
        self.items = tuple(items)

    @staticmethod
    def _spelled_out(items: Sequence[FlowError]) -> str:
        lines = [str(item) for item in items[:SHOWN]]
        if len(items) > SHOWN:
            lines.append(f"… and {len(items) - SHOWN} more")
        return "\n" + "\n".join(lines)
