"""Flows of a running engine: shown, and a new version made live without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from engine.domain.facts import FlowActivated
from engine.domain.flow import Enqueue, Flow
from engine.errors import ConfigError, Conflict, StoreUnavailable
from engine.flows.errors import FlowErrors
from engine.flows.parser import Checked, check, parse
from engine.main import sights
from engine.main.engine import Engine
from engine.main.rolls import tell
from engine.runtime.views import FlowActivation, FlowView
from engine.store.files import write_whole


class LiveFlows:
    """The flows on the floor, and their files for the next start."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()

    async def list(self) -> Sequence[FlowView]:
        """All, by name."""
        return sights.flow_views(self._engine.floor.state)

    async def activate(self, name: str, text: str) -> FlowActivation:
        """Make this text the live version. Callers under way keep the version they began with."""
        checked = await asyncio.to_thread(check, text, f"{name}.yaml")
        flow = checked.flow
        if flow.name != name:
            raise ConfigError(
                f"the text defines flow {flow.name}, not {name}", where="flow", mend=f"Write `flow: {name}`."
            )
        async with self._turn:
            await asyncio.to_thread(_keep, self._engine.settings.paths.flows, name, text)
            live = self._engine.floor.state.flows.get(name)
            await tell(self._engine, FlowActivated(flow=flow))
        return FlowActivation(
            name=name,
            version=flow.version,
            replaced=live.version if live is not None else None,
            warnings=(*self._said(checked), *self._missing_queues(flow)),
        )

    @staticmethod
    def _said(checked: Checked) -> tuple[str, ...]:
        return tuple(f"line {each.line}: {each.what}; {each.mend}" for each in checked.warnings)

    def _missing_queues(self, flow: Flow) -> tuple[str, ...]:
        known = self._engine.floor.state.queues
        return tuple(
            f"node {name}: there is no queue {node.queue}; its callers go on as if it were closed"
            for name, node in flow.nodes.items()
            if isinstance(node, Enqueue) and node.queue not in known
        )


def _keep(folder: Path, name: str, text: str) -> None:
    """Write the flow's file, whole or not at all.

    :raises Conflict: another file of the folder defines a flow of this name.
    :raises StoreUnavailable: it cannot be written.
    """
    own = folder / f"{name}.yaml"
    for path in folder.glob("*.yaml"):
        if path == own:
            continue
        with suppress(FlowErrors, OSError, UnicodeDecodeError):
            if parse(path.read_text(encoding="utf-8"), path.name).name == name:
                raise Conflict(
                    f"flow {name} is defined in {path.name} too",
                    where=str(folder),
                    mend=f"Rename that file to {own.name}.",
                )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(own, text.encode())
    except OSError as refused:
        raise StoreUnavailable(
            f"the flow's file cannot be written: {refused.strerror}", where=str(own), mend="Check the folder's rights."
        ) from refused
