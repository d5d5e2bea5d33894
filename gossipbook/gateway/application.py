"""The ASGI application of a gateway: its APIs and its page behind the guard."""

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket

from gossipbook.errors import GossipbookError
from gossipbook.gateway import page
from gossipbook.gateway.access import Denied
from gossipbook.gateway.binance import routes as binance
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.guard import Guard, problem_answer
from gossipbook.gateway.native import routes
from gossipbook.gateway.native.asyncapi import describe
from gossipbook.gateway.native.stream import Channels, Stream
from gossipbook.gateway.problems import Problem, problem_of

DESCRIPTION = """Orders, books, trades and accounts of a gossipbook network.

Prices and quantities are plain decimal text. An order that was signed is never an error: it is `pending`, `relayed`,
`certified`, or `unknown` when it is. Placing it again under its `text_id` gives the same order."""


def application(gateway: Gateway, hosts: list[str]) -> Guard:
    """All that a gateway serves. ``hosts``: what a ``Host`` header may say; none for anything, as tests may want."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(
        title="gossipbook gateway",
        version=importlib.metadata.version("gossipbook"),
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    app.include_router(routes.router(gateway))
    channels = Channels(gateway)

    async def stream(socket: WebSocket) -> None:
        await Stream(gateway, channels, socket).run()

    app.add_api_websocket_route("/v1/stream", stream)

    async def asyncapi(request: Request) -> Response:
        return JSONResponse(describe(str(request.base_url).rstrip("/")))

    app.add_route("/v1/asyncapi.json", asyncapi, include_in_schema=False)
    app.router.routes.extend([*binance.routes(gateway), *page.routes()])
    for error in (Problem, Denied, GossipbookError):
        app.add_exception_handler(error, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    _describe_security(app)
    return Guard(app, gateway.door, hosts, gateway.settings.origins)


def _describe_security(app: FastAPI) -> None:
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            text = "`Bearer <id>.<secret>`, of an API key that `gossipbook gateway account` made."
            scheme = {"type": "http", "scheme": "bearer", "description": text}
            schema.setdefault("components", {})["securitySchemes"] = {"key": scheme}
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it


async def _on_problem(request: Request, error: Exception) -> Response:
    return _answer(problem_of(error), request)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    detail = f"{where}: {first['msg']}" if where else str(first["msg"])
    return _answer(Problem(422, "invalid", detail[:500], parameter=where[:64]), request)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Problem):  # What the guard raised while the framework read a body.
        return _answer(error.__cause__, request)
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := _methods(request)):
        headers = {"allow": ", ".join(methods)}  # The framework names only the first route's.
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "bad-request")
    return _answer(Problem(error.status_code, code, str(error.detail)), request, headers)


def _methods(request: Request) -> list[str]:
    """The methods of all routes of a path, as it is described; none if it is not."""
    described = request.app.openapi()["paths"].get(request.url.path, {})
    return sorted(method.upper() for method in described)


def _answer(problem: Problem, request: Request, more: dict[str, str] | None = None) -> Response:
    status, headers, body = problem_answer(problem, request.url.path)
    told = {name.decode(): value.decode() for name, value in headers}
    return Response(body, status, headers=told | (more or {}))
