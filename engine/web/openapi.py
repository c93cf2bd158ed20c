"""The API's description, made from the very types that are sent and read: it cannot tell anything else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.domain.values import LegMode, Value
from engine.runtime import outbound, views
from engine.web.answers import PROBLEM_TYPE, Problem

_REF = "#/components/schemas/{name}"


class Pin(Value):
    """A PIN of 4 to 8 digits."""

    pin: str


class Secret(Value):
    """The password that a carrier asks for."""

    secret: str


class SignIn(Value):
    """How an agent signs in. `mode` None: as defined."""

    ready: bool = True
    mode: LegMode | None = None


class Pause(Value):
    """Why an agent wants no interactions."""

    reason: str = "requested"


class Unwanted(Value):
    """A number that nobody may call any more. `region`: its country, if it has no country code; `by`: who says so."""

    number: str
    region: str = ""
    by: str = "console"


class Alive(Value):
    """The process lives."""

    ok: bool


READ: tuple[Any, ...] = (
    AgentProfile,
    QueuePolicy,
    views.Skill,
    NumberPolicy,
    TrunkPolicy,
    outbound.CampaignDefinition,
    Pin,
    Secret,
    SignIn,
    Pause,
    Unwanted,
)
SENT: tuple[Any, ...] = (
    views.AgentView,
    views.QueueView,
    views.CallView,
    views.InteractionDetail,
    views.Page[views.AgentView],
    views.Page[views.QueueView],
    views.Page[views.Skill],
    views.Page[NumberPolicy],
    views.Page[TrunkPolicy],
    views.Page[views.CallView],
    views.Page[views.InteractionView],
    views.Page[views.FlowView],
    outbound.CampaignView,
    outbound.CampaignCheck,
    outbound.CampaignReport,
    outbound.ImportView,
    outbound.LeadDetail,
    outbound.DoNotCallView,
    outbound.DoNotCallImport,
    views.Page[outbound.CampaignView],
    views.Page[outbound.ImportView],
    views.Page[outbound.LeadView],
    views.Page[outbound.RejectedView],
    views.FloorView,
    views.FlowActivation,
    views.Explained,
    views.VerifyReport,
    views.ServiceLevelReport,
    views.AgentsReport,
    views.Configuration,
    views.Health,
    Alive,
    Problem,
)


@cache
def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    kinds = (*READ, *SENT)
    references, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    sent_only = {reference["$ref"].rpartition("/")[2] for reference in references[len(READ) :]}
    for name in sent_only:
        components[name]["required"] = list(components[name]["properties"])
    return dict(zip(kinds, references, strict=True)), components


def schema(kind: Any) -> dict[str, Any]:
    """The reference to a type's schema."""
    return _schemas()[0][kind]


def answers(kind: Any | None, says: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """What a route may answer: `kind` (None: nothing), or a problem."""
    good: dict[str, Any] = {"description": says}
    if kind is not None:
        good["content"] = {"application/json": {"schema": schema(kind)}}
    return {
        status: good,
        "default": {"description": "What is wrong", "content": {PROBLEM_TYPE: {"schema": schema(Problem)}}},
    }


def takes(kind: Any, *, required: bool = True) -> dict[str, Any]:
    """A route's body."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema(kind)}}}}


def takes_changes(kind: Any) -> dict[str, Any]:
    """A route's body: some fields of `kind`."""
    component = _schemas()[1][schema(kind)["$ref"].rpartition("/")[2]]
    some = {key: value for key, value in component.items() if key not in ("required", "title")}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": some}}}}


def takes_text(media_type: str) -> dict[str, Any]:
    """A route's body: a text."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": {"type": "string"}}}}}


def describe(app: FastAPI, tags: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The whole description."""
    whole = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=[dict(tag) for tag in tags],
    )
    whole.setdefault("components", {}).setdefault("schemas", {}).update(_schemas()[1])
    return whole
