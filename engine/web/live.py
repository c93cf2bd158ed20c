"""What happens now and what happened: calls, interactions, floor, flows, explain, verify, reports, config."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from engine.errors import UsageError
from engine.runtime.console import Console, Wanted
from engine.runtime.views import (
    AgentsReport,
    CallView,
    Configuration,
    Explained,
    FloorView,
    FlowActivation,
    FlowView,
    InteractionDetail,
    InteractionView,
    Page,
    ServiceLevelReport,
    VerifyReport,
)
from engine.web.answers import PLAIN, Id, ValueResponse, body_bytes, page
from engine.web.openapi import answers, takes_text

Reveal = Annotated[bool, Query(description="Show callers' numbers and names unmasked.")]
Start = Annotated[
    str, Query(alias="from", max_length=64, description="ISO 8601; without an offset the site's own time.")
]
End = Annotated[str, Query(alias="to", max_length=64, description="Like from; a day alone is its end.")]
Filter = Annotated[str, Query(max_length=200, pattern=PLAIN)]
LONGEST_PAGE = 500


def live(console: Console) -> APIRouter:
    """Every route that is no definition."""
    router = APIRouter(prefix="/v1", default_response_class=ValueResponse)
    _calls(router, console)
    _interactions(router, console)
    _flows(router, console)
    _judgement(router, console)
    _reports(router, console)
    return router


def _add(
    router: APIRouter, method: str, path: str, endpoint: Any, kind: Any, extra: dict[str, Any] | None = None
) -> None:
    says = (endpoint.__doc__ or "").split("\n")[0]
    router.add_api_route(
        path,
        endpoint,
        methods=[method],
        operation_id=endpoint.__name__,
        tags=[path.split("/")[1]],
        summary=says,
        response_model=None,
        responses=answers(kind, says),
        openapi_extra=extra,
    )


def _calls(router: APIRouter, console: Console) -> None:
    async def calls_list(reveal: Reveal = False) -> Response:
        """Live calls, in order of arrival."""
        return ValueResponse(page(await console.calls.list(reveal=reveal)))

    async def call_show(id_: Id, reveal: Reveal = False) -> Response:
        """One live call."""
        return ValueResponse(await console.calls.show(id_, reveal=reveal))

    async def call_hang_up(id_: Id) -> Response:
        """Ask Asterisk to end a call; the answer is the call as it was then."""
        return ValueResponse(await console.calls.hang_up(id_))

    _add(router, "GET", "/calls", calls_list, Page[CallView])
    _add(router, "GET", "/calls/{id_}", call_show, CallView)
    _add(router, "DELETE", "/calls/{id_}", call_hang_up, CallView)


def _interactions(router: APIRouter, console: Console) -> None:
    async def interactions_list(
        start: Start = "",
        end: End = "",
        queue: Filter = "",
        agent: Filter = "",
        cursor: Filter = "",
        limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = 50,
        reveal: Reveal = False,
    ) -> Response:
        """Interactions, live and over, newest first."""
        wanted = Wanted(start=start, end=end, queue=queue, agent=agent, cursor=cursor, limit=limit)
        return ValueResponse(await console.interactions.list(wanted, reveal=reveal))

    async def interaction_show(id_: Id, reveal: Reveal = False) -> Response:
        """One interaction with its phases and legs."""
        return ValueResponse(await console.interactions.show(id_, reveal=reveal))

    _add(router, "GET", "/interactions", interactions_list, Page[InteractionView])
    _add(router, "GET", "/interactions/{id_}", interaction_show, InteractionDetail)


def _flows(router: APIRouter, console: Console) -> None:
    async def flows_list() -> Response:
        """Live flows, by name."""
        return ValueResponse(page(await console.flows.list()))

    async def flow_activate(name: Id, request: Request) -> Response:
        """Make the text of a flow file the live version, and keep it for the next start."""
        try:
            text = (await body_bytes(request)).decode("utf-8")
        except UnicodeDecodeError as wrong:
            raise UsageError(f"the text is not UTF-8: {wrong.reason}", where="body", mend="Save it as UTF-8.") from None
        return ValueResponse(await console.flows.activate(name, text))

    _add(router, "GET", "/flows", flows_list, Page[FlowView])
    _add(router, "POST", "/flows/{name}", flow_activate, FlowActivation, takes_text("application/yaml"))


def _judgement(router: APIRouter, console: Console) -> None:
    async def floor_show(reveal: Reveal = False) -> Response:
        """The whole floor at this moment."""
        return ValueResponse(await console.floor(reveal=reveal))

    async def explain(interaction_id: Id) -> Response:
        """Why each agent was chosen or refused, recomputed from the journal."""
        return ValueResponse(await console.explain(interaction_id))

    async def verify() -> Response:
        """Compare the engine's belief with Asterisk, the fact tables and the journal."""
        return ValueResponse(await console.verify())

    async def config_show() -> Response:
        """The settings in force, without secrets."""
        return ValueResponse(await console.config())

    _add(router, "GET", "/floor", floor_show, FloorView)
    _add(router, "GET", "/explain/{interaction_id}", explain, Explained)
    _add(router, "POST", "/verify", verify, VerifyReport)
    _add(router, "GET", "/config", config_show, Configuration)


def _reports(router: APIRouter, console: Console) -> None:
    async def report_service_level(
        start: Start = "", end: End = "", queue: Filter = "", formula: Filter = ""
    ) -> Response:
        """Visits to queues, and how many were answered in time. Without times: today."""
        return ValueResponse(await console.reports.service_level(start, end, queue, formula))

    async def report_agents(start: Start = "", end: End = "") -> Response:
        """How agents spent their time. Without times: today."""
        return ValueResponse(await console.reports.agents(start, end))

    _add(router, "GET", "/reports/service-level", report_service_level, ServiceLevelReport)
    _add(router, "GET", "/reports/agents", report_agents, AgentsReport)
