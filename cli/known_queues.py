"""The queues a flow may put its callers into: those of the running engine, else of the configured database."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from engine.errors import CallwrightError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from engine.domain.flow import Flow
    from engine.flows.problems import FlowWarning


def known_queues() -> frozenset[str]:
    """Their ids; none where nobody can tell: a flow may be checked on a machine that has no database at all."""
    from sqlalchemy.exc import SQLAlchemyError

    from cli.office import Noun, at_office

    try:
        found = at_office(lambda office: office.list(Noun.QUEUE), writing=False)
    except (CallwrightError, SQLAlchemyError, OSError):
        return frozenset()
    return frozenset(queue["id"] for queue in found)


def undefined_queues(flow: Flow, known: Collection[str], file: str) -> Iterator[FlowWarning]:
    """A warning for each node whose queue is none of `known`; nothing where none are known.

    Only a warning: queues are defined elsewhere, and may come after the flow.
    """
    from engine.domain.flow import Enqueue
    from engine.flows.problems import FlowWarning, quoted

    for name, node in flow.nodes.items():
        if not known or not isinstance(node, Enqueue) or node.queue in known:
            continue
        near = get_close_matches(node.queue, sorted(known), n=1)
        mend = f"did you mean {near[0]}?" if near else f"add it with `callwright queue add {node.queue}`"
        yield FlowWarning(file, node.line, 1, f"node {quoted(name)}: no queue {node.queue} is defined", mend)
