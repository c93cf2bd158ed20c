"""Campaigns, their leads and the do-not-call list, of a running engine or of a store at rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request, Response

from engine.runtime.outbound import (
    CampaignCheck,
    CampaignDefinition,
    CampaignReport,
    CampaignRoll,
    CampaignView,
    DoNotCallDesk,
    DoNotCallImport,
    DoNotCallView,
    ImportView,
    LeadDesk,
    LeadDetail,
    LeadView,
    ListColumns,
    Outbound,
    RejectedView,
    WantedLeads,
)
from engine.runtime.views import Page
from engine.web.answers import PLAIN, BodyTooLong, Id, ValueResponse, body, page
from engine.web.live import LONGEST_PAGE, End, Filter, Reveal, Start
from engine.web.openapi import Unwanted, answers, takes, takes_text
from engine.web.rolls import five, route

LONGEST_LIST = 1 << 30
AT_ONCE = 1 << 20
"""A list is written to a file in pieces of this size."""
LONGEST_FILE_NAME = 200
"""Bytes; file systems take 255."""
CSV = "text/csv"

Region = Annotated[
    str, Query(max_length=40, pattern=PLAIN, description="Country (ISO 3166) of numbers without country code, e.g. DE.")
]
Encoding = Annotated[
    str, Query(max_length=40, pattern=PLAIN, description="The file's encoding where it has no mark and is not UTF-8.")
]
OfImport = Annotated[str, Query(alias="import", max_length=200, pattern=PLAIN, description="Only of this import.")]
Source = Annotated[str, Query(max_length=200, pattern=PLAIN, description="The file's name, for people.")]
Column = Annotated[str, Query(max_length=200, pattern=PLAIN, description="A column's name in the file's header.")]
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE)]


def campaigns(outbound: Outbound) -> APIRouter:
    """Every route about calling people."""
    router = APIRouter(prefix="/v1", default_response_class=ValueResponse)
    five(router, "campaign", outbound.campaigns, CampaignDefinition, CampaignView)
    _verbs(router, outbound.campaigns)
    _figures(router, outbound.campaigns)
    _lists(router, outbound.leads)
    _leads(router, outbound.leads)
    _do_not_call(router, outbound.do_not_call)
    return router


def _verbs(router: APIRouter, roll: CampaignRoll) -> None:
    async def start(id_: Id) -> Response:
        """Dial from now on; refused while its check finds errors."""
        return ValueResponse(await roll.start(id_))

    async def pause(id_: Id) -> Response:
        """Dial no more for now; what rings goes on."""
        return ValueResponse(await roll.pause(id_))

    async def stop(id_: Id) -> Response:
        """Dial no more; claimed leads go back."""
        return ValueResponse(await roll.stop(id_))

    for verb in (start, pause, stop):
        route(router, "POST", "campaign", f"/{{id_}}/{verb.__name__}", verb, CampaignView)


def _figures(router: APIRouter, roll: CampaignRoll) -> None:
    async def check(id_: Id) -> Response:
        """What forbids a campaign, what will hurt, and what may be hoped for."""
        return ValueResponse(await roll.check(id_))

    async def report(id_: Id, start: Start = "", end: End = "") -> Response:
        """What its attempts came to; without times since it began."""
        return ValueResponse(await roll.report(id_, start, end))

    route(router, "GET", "campaign", "/{id_}/check", check, CampaignCheck)
    route(router, "GET", "campaign", "/{id_}/report", report, CampaignReport)


def _lists(router: APIRouter, leads: LeadDesk) -> None:
    async def bring(
        id_: Id,
        request: Request,
        source: Source = "",
        region: Region = "",
        number: Column = "",
        segment: Column = "",
        priority: Column = "",
        timezone: Column = "",
        encoding: Encoding = "",
    ) -> Response:
        """Import a list (CSV); the answer comes when all of it is in, its import grows meanwhile."""
        columns = ListColumns(number=number, segment=segment, priority=priority, timezone=timezone)
        async with _received(request, source) as file:
            return ValueResponse(await leads.bring(id_, file, region, columns, encoding), status_code=201)

    async def imports(id_: Id) -> Response:
        """The imports of a campaign, latest first."""
        return ValueResponse(page(await leads.imports(id_)))

    route(router, "POST", "campaign", "/{id_}/imports", bring, ImportView, takes_text(CSV), status=201)
    route(router, "GET", "campaign", "/{id_}/imports", imports, Page[ImportView])


def _leads(router: APIRouter, leads: LeadDesk) -> None:
    async def leads_list(
        campaign: Filter = "",
        state: Filter = "",
        import_id: OfImport = "",
        cursor: Filter = "",
        limit: Limit = 100,
        reveal: Reveal = False,
    ) -> Response:
        """Leads, in order of their import."""
        wanted = WantedLeads(campaign=campaign, state=state, cursor=cursor, limit=limit, import_id=import_id)
        return ValueResponse(await leads.list(wanted, reveal=reveal))

    async def leads_rejected(
        campaign: Filter = "", import_id: OfImport = "", cursor: Filter = "", limit: Limit = 100
    ) -> Response:
        """Rows of imported files that became no lead, and why."""
        wanted = WantedLeads(campaign=campaign, cursor=cursor, limit=limit, import_id=import_id)
        return ValueResponse(await leads.rejected(wanted))

    async def lead_show(id_: Id, reveal: Reveal = False) -> Response:
        """One lead with all his attempts and refusals."""
        return ValueResponse(await leads.show(id_, reveal=reveal))

    _add(router, "GET", "/leads", leads_list, Page[LeadView])
    _add(router, "GET", "/rejected-rows", leads_rejected, Page[RejectedView], tag="leads")
    _add(router, "GET", "/leads/{id_}", lead_show, LeadDetail)


def _do_not_call(router: APIRouter, desk: DoNotCallDesk) -> None:
    async def unwanted_add(request: Request) -> Response:
        """Put a number on the do-not-call list."""
        wish = await body(request, Unwanted)
        return ValueResponse(await desk.add(wish.number, wish.region, wish.by), status_code=201)

    async def unwanted_check(number: Id, region: Region = "") -> Response:
        """Whether a number is on the do-not-call list."""
        return ValueResponse(await desk.check(number, region))

    async def unwanted_remove(number: Id, region: Region = "") -> Response:
        """Take a number off the do-not-call list."""
        return ValueResponse(await desk.remove(number, region))

    async def unwanted_import(
        request: Request, source: Source = "", region: Region = "", column: Column = ""
    ) -> Response:
        """Put all numbers of a file on the do-not-call list: one a line, or a CSV."""
        async with _received(request, source) as file:
            return ValueResponse(await desk.bring(file, region, column), status_code=201)

    _add(router, "POST", "/do-not-call", unwanted_add, DoNotCallView, takes(Unwanted), 201)
    _add(router, "POST", "/do-not-call/imports", unwanted_import, DoNotCallImport, takes_text(CSV), 201)
    _add(router, "GET", "/do-not-call/{number}", unwanted_check, DoNotCallView)
    _add(router, "DELETE", "/do-not-call/{number}", unwanted_remove, DoNotCallView)


def _add(
    router: APIRouter,
    method: str,
    path: str,
    endpoint: Any,
    kind: Any,
    extra: dict[str, Any] | None = None,
    status: int = 200,
    tag: str = "",
) -> None:
    says = (endpoint.__doc__ or "").split("\n")[0]
    router.add_api_route(
        path,
        endpoint,
        methods=[method],
        operation_id=endpoint.__name__,
        tags=[tag or path.split("/")[1]],
        summary=says,
        response_model=None,
        status_code=status,
        responses=answers(kind, says, status),
        openapi_extra=extra,
    )


@asynccontextmanager
async def _received(request: Request, source: str) -> AsyncIterator[Path]:
    """The request's body as a private file of the name that `source` ends with; gone when the block ends.

    :raises BodyTooLong: it is longer than 1 GiB.
    """
    folder = await asyncio.to_thread(TemporaryDirectory, prefix="callwright-list-")
    try:
        path = Path(folder.name) / _file_name(source)
        file = await asyncio.to_thread(path.open, "wb")
        try:
            await _written(request, file)
        finally:
            await asyncio.to_thread(file.close)
        yield path
    finally:
        await asyncio.to_thread(folder.cleanup)


def _file_name(source: str) -> str:
    """The last part of a path of any system, as a file here may be called; of a very long one its end."""
    name = Path(source.replace("\\", "/")).name.encode()[-LONGEST_FILE_NAME:].decode(errors="ignore")
    return "list.csv" if name in ("", ".", "..") else name


async def _written(request: Request, file: BinaryIO) -> None:
    size, parts, held = 0, [], 0
    async for part in request.stream():
        size, held = size + len(part), held + len(part)
        if size > LONGEST_LIST:
            raise BodyTooLong(f"the list is longer than {LONGEST_LIST:,} bytes", where="body", mend="Split the file.")
        parts.append(part)
        if held >= AT_ONCE:
            await asyncio.to_thread(file.write, b"".join(parts))
            parts, held = [], 0
    await asyncio.to_thread(file.write, b"".join(parts))
