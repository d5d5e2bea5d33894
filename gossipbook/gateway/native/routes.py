"""The native API over HTTP: which path asks for what. The work is in ``reads`` and ``actions``."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from gossipbook.gateway.accounts import ApiKey, Scope
from gossipbook.gateway.clock import now_ms
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.guard import address_of
from gossipbook.gateway.native import actions, reads
from gossipbook.gateway.native import models as m

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": m.Problem.model_json_schema()}}}
    for status, text in {
        400: "What was asked for is none, or the book's rules do not know it. Nothing was signed.",
        404: "There is no such pair or order.",
        413: "Too large.",
        421: "The gateway is not called what the Host header says.",
        422: "A parameter or the body is not as described.",
        429: "Too many requests; ``retry-after`` says when to come again.",
        502: "Peers answered with what proves nothing.",
        503: "The gateway has no link to the network, or no peer answers. Nothing was signed.",
    }.items()
}
KEY_PROBLEMS = PROBLEMS | {
    status: {"description": text, "content": {"application/problem+json": {"schema": m.Problem.model_json_schema()}}}
    for status, text in {
        401: "No API key, or not its secret.",
        403: "The API key's scopes do not allow it, or its account's key must not sign.",
        409: "Another order has the text id.",
    }.items()
}

Pair = Annotated[m.Symbol, Query()]
After = Annotated[m.Bound, Query(description="Only what comes after this event, height or time.")]
Before = Annotated[m.Bound, Query(description="Only what comes before this event, height or time.")]
ClientId = Annotated[m.ClientId, Query()]
TextId = Annotated[m.TextId, Query()]


def router(gateway: Gateway) -> APIRouter:
    """All paths of the API."""
    api = APIRouter(prefix="/v1")
    _add_markets(api, gateway)
    _add_orders_of_anybody(api, gateway)
    _add_accounts(api, gateway)
    _add_actions(api, gateway)
    return api


def _add_markets(api: APIRouter, gateway: Gateway) -> None:
    async def get_time() -> Response:
        """This machine's time."""
        return JSONResponse({"time_ms": now_ms()})

    async def get_status() -> Response:
        """How the network and each pair fare."""
        return JSONResponse(await reads.status(gateway))

    async def get_pairs() -> Response:
        """What may be traded."""
        return JSONResponse(gateway.pairs())

    async def get_peers() -> Response:
        """The peers that the gateway is linked to."""
        return JSONResponse(await reads.peers(gateway))

    async def get_book(
        pair: Pair,
        level: Annotated[int, Query(ge=1, le=3)] = 2,
        depth: Annotated[int, Query(ge=1, le=reads.DEPTH_CAP)] = 100,
    ) -> Response:
        """A pair's book: 1 the best of both sides, 2 by level, 3 by order."""
        return JSONResponse(await reads.book(gateway, pair, level, depth))

    async def get_trades(pair: Pair, after: After = "", before: Before = "", limit: m.Limit = 100) -> Response:
        """A pair's trades in ascending order: the last ones, or the first after an event."""
        return JSONResponse(await reads.trades(gateway, pair, after, before, limit))

    async def get_candles(
        pair: Pair,
        width: m.Width = "1m",
        from_ms: Annotated[m.TimeMs, Query()] = 0,
        until_ms: Annotated[m.TimeMs, Query()] = 0,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> Response:
        """A pair's last candles of a width that start in a span of time; spans without a trade are left out."""
        return JSONResponse(await reads.candles(gateway, pair, width, from_ms, until_ms, limit))

    async def get_ticker(pair: Pair) -> Response:
        """A pair's last 24 hours, and the best of its book."""
        return JSONResponse(await reads.ticker(gateway, pair))

    for path, get, model in (
        ("/time", get_time, m.Time),
        ("/status", get_status, m.Status),
        ("/pairs", get_pairs, list[m.Pair]),
        ("/peers", get_peers, list[m.Peer]),
        ("/book", get_book, m.Book),
        ("/trades", get_trades, m.Trades),
        ("/candles", get_candles, m.Candles),
        ("/ticker", get_ticker, m.Ticker),
    ):
        _add_get(api, path, get, model, PROBLEMS)


def _add_orders_of_anybody(api: APIRouter, gateway: Gateway) -> None:
    async def get_receipt(pair: Pair, author: Annotated[m.Key, Query()], client_id: ClientId) -> Response:
        """The receipt of anybody's order: a file that proves offline what became of it."""
        raw = await gateway.network.ask(pair, lambda p: p.receipt(bytes.fromhex(author), client_id))
        return Response(raw, media_type="application/octet-stream")

    async def get_explain(pair: Pair, author: Annotated[m.Key, Query()], client_id: ClientId) -> Response:
        """The story of anybody's order, as one peer knows it: each event with its block, why it waits."""
        gateway.network.spec(pair)
        client = await gateway.network.client()
        return JSONResponse(await client.explain(pair, bytes.fromhex(author), client_id))

    async def post_op(asked: m.SignedOp) -> Response:
        """Bring an op to the network that was signed elsewhere. It needs no API key."""
        told = await actions.submit(gateway, asked)
        return JSONResponse(told, 200 if told["progress"] == "certified" else 202)

    octets: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    }
    api.add_api_route(
        "/receipt", get_receipt, responses=PROBLEMS | octets, response_class=Response, tags=["anybody's orders"]
    )
    _add_get(api, "/explain", get_explain, dict[str, Any], PROBLEMS, tags=["anybody's orders"])
    good: dict[int | str, dict[str, Any]] = {200: {"model": m.Sent}, 202: {"model": m.Sent}}
    api.add_api_route("/op", post_op, methods=["POST"], responses=PROBLEMS | good, tags=["anybody's orders"])


def let_in(gateway: Gateway) -> Callable[[Request], ApiKey]:
    """What gives the API key of a request."""

    def key_of(request: Request) -> ApiKey:
        return gateway.door.by_bearer(request.headers.get("authorization", ""), address_of(request.scope))

    return key_of


def _add_accounts(api: APIRouter, gateway: Gateway) -> None:
    key_of = let_in(gateway)

    async def get_account(request: Request) -> Response:
        """Whose API key this is, and what it may do."""
        key = key_of(request)
        desk = await gateway.desk(key, Scope.READ)
        scopes = sorted(scope.value for scope in key.scopes)
        told = {"account": key.account, "author": desk.author.hex(), "scopes": scopes, "label": key.label}
        return JSONResponse(told)

    async def get_statement(request: Request, at: Annotated[m.Bound, Query()] = "") -> Response:
        """What the account's certified fills come to, pair by pair, now or as of an event, a height or a time."""
        desk = await gateway.desk(key_of(request), Scope.READ)
        return JSONResponse(await reads.statement(gateway, desk, at))

    async def get_order(request: Request, pair: Pair, client_id: ClientId = 0, text_id: TextId = "") -> Response:
        """One order of the account, by its client_id or its text_id."""
        desk = await gateway.desk(key_of(request), Scope.READ)
        return JSONResponse(await actions.order(gateway, desk, pair, client_id, text_id))

    async def get_orders(
        request: Request,
        pair: Pair,
        only_open: Annotated[bool, Query()] = False,
        after: After = "",
        before: Before = "",
        limit: m.Limit = 100,
    ) -> Response:
        """The account's orders in ascending order of entry."""
        desk = await gateway.desk(key_of(request), Scope.READ)
        return JSONResponse(await reads.orders(gateway, desk, pair, only_open, after, before, limit))

    async def get_fills(
        request: Request, pair: Pair, after: After = "", before: Before = "", limit: m.Limit = 100
    ) -> Response:
        """The account's fills in ascending order, each with the position after it: a drop copy, page by page."""
        desk = await gateway.desk(key_of(request), Scope.READ)
        return JSONResponse(await reads.fills(gateway, desk, pair, after, before, limit))

    for path, get, model in (
        ("/account", get_account, m.Account),
        ("/statement", get_statement, m.Statement),
        ("/order", get_order, m.Order),
        ("/orders", get_orders, m.Orders),
        ("/fills", get_fills, m.Fills),
    ):
        _add_get(api, path, get, model, KEY_PROBLEMS, tags=["the account"], **SECURED)


SECURED: dict[str, Any] = {"openapi_extra": {"security": [{"key": []}]}}


def _add_get(
    api: APIRouter,
    path: str,
    get: Callable[..., Awaitable[Response]],
    model: Any,
    problems: dict[int | str, dict[str, Any]],
    tags: list[Any] | None = None,
    **more: Any,
) -> None:
    good: dict[int | str, dict[str, Any]] = {200: {"model": model}}
    api.add_api_route(path, get, responses=problems | good, tags=tags or ["markets"], **more)


def _add_actions(api: APIRouter, gateway: Gateway) -> None:
    key_of = let_in(gateway)

    def add(name: str, path: str, method: str, text: str) -> None:
        model, scope, act = actions.ACTIONS[name]

        async def do(request: Request, asked: Any) -> Response:
            desk = await gateway.desk(key_of(request), scope)
            told = await act(gateway, desk, asked)
            return JSONResponse(told, 200 if told["progress"] == "certified" else 202)

        do.__annotations__["asked"] = model if method != "DELETE" else Annotated[m.in_query(model), Query()]
        do.__name__ = name
        do.__doc__ = text
        good: dict[int | str, dict[str, Any]] = {
            200: {"model": m.Sent, "description": "Certified: in a finalized block."},
            202: {"model": m.Sent, "description": "Signed, and not known to be certified yet; never place it anew."},
        }
        api.add_api_route(path, do, methods=[method], responses=KEY_PROBLEMS | good, tags=["trading"], **SECURED)

    add("place", "/order", "POST", "Place an order, or follow the one that has its text id.")
    add("amend", "/order", "PATCH", "Change an order; less of it at the same price keeps its place in the queue.")
    add("cancel", "/order", "DELETE", "Cancel an order.")
    add("cancel_all", "/orders", "DELETE", "Cancel all of the account's orders in a pair.")
    add("lease", "/lease", "POST", "Dead man's switch: unless renewed in time, all orders are cancelled.")
    add("group", "/group", "POST", "Keep orders of some authors from trading with each other.")
    add("state", "/state", "POST", "A warden's: what a pair takes from now on.")
