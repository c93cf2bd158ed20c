"""Agents, queues, skills, numbers, trunks: the same five routes for each, and the verbs of agents and queues."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.runtime.console import AgentRoll, Console, QueueRoll, Roll
from engine.runtime.views import AgentView, Page, QueueView, Skill
from engine.web.answers import Id, ValueResponse, body, body_changes, page
from engine.web.openapi import Pause, Pin, Secret, SignIn, answers, takes, takes_changes


def rolls(console: Console) -> APIRouter:
    """Every route of every kind of definition."""
    router = APIRouter(prefix="/v1", default_response_class=ValueResponse)
    five(router, "agent", console.agents, AgentProfile, AgentView)
    _agent_verbs(router, console.agents)
    five(router, "queue", console.queues, QueuePolicy, QueueView)
    _queue_verbs(router, console.queues)
    five(router, "skill", console.skills, Skill, Skill)
    five(router, "number", console.numbers, NumberPolicy, NumberPolicy)
    five(router, "trunk", console.trunks, TrunkPolicy, TrunkPolicy)

    async def set_secret(id_: Id, request: Request) -> Response:
        """Keep the password that the carrier asks for; it is never shown again."""
        await console.trunks.set_secret(id_, (await body(request, Secret)).secret)
        return Response(status_code=204)

    route(router, "PUT", "trunk", "/{id_}/secret", set_secret, None, takes(Secret), status=204)
    return router


def route(
    router: APIRouter,
    method: str,
    noun: str,
    path: str,
    endpoint: Any,
    kind: Any,
    extra: dict[str, Any] | None = None,
    status: int = 200,
) -> None:
    """Add a route of one kind of definition; `kind` is what it answers, None nothing."""
    says = (endpoint.__doc__ or "").split("\n")[0]
    router.add_api_route(
        f"/{noun}s{path}",
        endpoint,
        methods=[method],
        operation_id=f"{noun}_{endpoint.__name__}",
        tags=[f"{noun}s"],
        summary=says,
        response_model=None,
        status_code=status,
        responses=answers(kind, says, status),
        openapi_extra=extra,
    )


def five(router: APIRouter, noun: str, roll: Roll[Any, Any], policy: Any, view: Any) -> None:
    """The five routes that every kind of definition has."""

    async def list_all() -> Response:
        """All, by id."""
        return ValueResponse(page(await roll.list()))

    async def add(request: Request) -> Response:
        """Define a new one."""
        return ValueResponse(await roll.add(await body(request, policy)), status_code=201)

    async def show(id_: Id) -> Response:
        """One of them."""
        return ValueResponse(await roll.show(id_))

    async def change(id_: Id, request: Request) -> Response:
        """Change some fields; a list or table that is given replaces the old one whole."""
        return ValueResponse(await roll.change(id_, await body_changes(request)))

    async def remove(id_: Id) -> Response:
        """Remove it. What happened with it stays in the reports."""
        await roll.remove(id_)
        return Response(status_code=204)

    route(router, "GET", noun, "", list_all, Page[view])
    route(router, "POST", noun, "", add, view, takes(policy), status=201)
    route(router, "GET", noun, "/{id_}", show, view)
    route(router, "PATCH", noun, "/{id_}", change, view, takes_changes(policy))
    route(router, "DELETE", noun, "/{id_}", remove, None, status=204)


def _agent_verbs(router: APIRouter, agents: AgentRoll) -> None:
    async def set_pin(id_: Id, request: Request) -> Response:
        """Give a PIN of 4 to 8 digits; ends a lock-out."""
        await agents.set_pin(id_, (await body(request, Pin)).pin)
        return Response(status_code=204)

    async def login(id_: Id, request: Request) -> Response:
        """Sign in; a nailed-up phone is rung."""
        wish = await body(request, SignIn)
        return ValueResponse(await agents.login(id_, ready=wish.ready, mode=wish.mode))

    async def logout(id_: Id) -> Response:
        """Sign out; on a call, after it."""
        return ValueResponse(await agents.logout(id_))

    async def ready(id_: Id) -> Response:
        """Available from now on, or after the present call."""
        return ValueResponse(await agents.ready(id_))

    async def not_ready(id_: Id, request: Request) -> Response:
        """No more interactions; on a call, after it."""
        return ValueResponse(await agents.not_ready(id_, (await body(request, Pause)).reason))

    async def wrap_up(id_: Id) -> Response:
        """End the wrap-up before its time."""
        return ValueResponse(await agents.wrap_up(id_))

    route(router, "PUT", "agent", "/{id_}/pin", set_pin, None, takes(Pin), status=204)
    route(router, "POST", "agent", "/{id_}/login", login, AgentView, takes(SignIn, required=False))
    route(router, "POST", "agent", "/{id_}/logout", logout, AgentView)
    route(router, "POST", "agent", "/{id_}/ready", ready, AgentView)
    route(router, "POST", "agent", "/{id_}/not-ready", not_ready, AgentView, takes(Pause, required=False))
    route(router, "POST", "agent", "/{id_}/wrapup", wrap_up, AgentView)


def _queue_verbs(router: APIRouter, queues: QueueRoll) -> None:
    async def open_queue(id_: Id) -> Response:
        """Let callers in."""
        return ValueResponse(await queues.open(id_))

    async def close_queue(id_: Id) -> Response:
        """Let no more callers in; who waits goes on waiting."""
        return ValueResponse(await queues.close(id_))

    route(router, "POST", "queue", "/{id_}/open", open_queue, QueueView)
    route(router, "POST", "queue", "/{id_}/close", close_queue, QueueView)
