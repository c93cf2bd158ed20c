"""Where a call would lead: from each number to a flow that is there, and from the flow to queues that are defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.checkup.finding import Finding, fail, ok, warn
from cli.flow_folder import usable_flows
from cli.office import Noun, Office, at_office
from cli.output import Record
from engine.errors import NotFound

if TYPE_CHECKING:
    from engine.domain.flow import Flow
    from engine.settings import Settings


def numbers(settings: Settings) -> Finding:
    """A flow may be taken away after a number was led to it, and it may name queues that come later; this tells."""
    try:
        defined, queues = at_office(_defined, writing=False)
    except NotFound:
        return warn("numbers", "no database to read them from", "callwright db upgrade")
    if not defined:
        return warn("numbers", "none is defined: every call is refused", "callwright number add +44… --flow NAME")
    try:
        flows = usable_flows(settings.paths.flows)
    except OSError as refused:
        return fail("numbers", f"{settings.paths.flows} cannot be read: {refused.strerror}", "set paths.flows")
    lost = [number for number in defined if number["flow"] not in flows]
    if lost:
        first = lost[0]
        evidence = ", ".join(f"{number['e164']} → {number['flow']}" for number in lost[:5])
        return fail(
            "numbers",
            f"{len(lost)} lead to no flow in {settings.paths.flows}: {evidence}",
            f"callwright number set {first['e164']} --flow {next(iter(flows), 'NAME')}",
        )
    missing = sorted({(name, queue) for name in _used(defined) for queue in _queues(flows[name]) - queues})
    if missing:
        evidence = ", ".join(f"{queue} (flow {name})" for name, queue in missing[:5])
        return fail(
            "numbers", f"queues not defined: {evidence}", f"callwright queue add {missing[0][1]} --need SKILL=1"
        )
    return ok("numbers", f"{len(defined)}, every flow and queue they lead to is there")


async def _defined(office: Office) -> tuple[list[Record], set[str]]:
    queues = {record["id"] for record in await office.list(Noun.QUEUE)}
    return await office.list(Noun.NUMBER), queues


def _used(defined: list[Record]) -> set[str]:
    return {number["flow"] for number in defined}


def _queues(flow: Flow) -> set[str]:
    from engine.domain.flow import Enqueue

    return {node.queue for node in flow.nodes.values() if isinstance(node, Enqueue)}
