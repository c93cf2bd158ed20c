"""The HTTP API: a thin, typed edge over `engine.runtime.console.Console`, served on a Unix socket.

app         joins everything into one application
rolls       agents, queues, skills, numbers, trunks: one set of routes for each kind of definition
campaigns   campaigns, leads, the do-not-call list: of a running engine, or of a store at rest
live        calls, interactions, floor, flows, explain, verify, reports, config
operating   /healthz, /readyz, /metrics
answers     values and errors as JSON; bodies as values
openapi     the description, made from the same types that are sent
guard       every request measured; no error leaves without its explanation
unix        the socket
"""

from engine.web.app import create_app, create_rest_app
from engine.web.unix import serve_unix

__all__ = ["create_app", "create_rest_app", "serve_unix"]
