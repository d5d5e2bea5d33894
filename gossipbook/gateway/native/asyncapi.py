"""What the native stream is, by AsyncAPI 3.0. The schemas are those that the stream itself reads and writes by."""

import importlib.metadata
from functools import reduce
from operator import or_
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter

from gossipbook.gateway.native import models as m
from gossipbook.gateway.native.actions import ACTIONS
from gossipbook.gateway.native.requests import READ_REQUESTS, Subscribe


class Login(m.Strict):
    """An API key, where no ``Authorization`` header can be sent; ``token`` is ``<id>.<secret>``."""

    token: str


class Nothing(m.Strict):
    """No parameters."""


class Answer(BaseModel):
    """The answer to the request with this ``id``: a ``result``, or a ``problem``."""

    id: int | str | float | None
    ok: bool
    result: Any = None
    problem: m.Problem | None = None


class Heartbeat(BaseModel):
    """The gateway lives; every five seconds at least."""

    type: Literal["heartbeat"]
    time_ms: int


class Lagged(BaseModel):
    """The subscriber was too slow for so many messages, which were left out. Snapshots of all its channels follow."""

    type: Literal["lagged"]
    missed: int


class BookSnapshot(m.Book):
    """A whole book: of ``book``, ``top`` or ``l3``. What one had is void."""

    channel: Literal["book", "top", "l3"]
    type: Literal["snapshot"]


class Step(BaseModel):
    pair: str
    type: Literal["update"]
    height: int
    time_ms: int
    previous: int
    sequence: int
    checksum: int
    state: str


class BookUpdate(Step):
    """One block's changes, each ``[price, qty, orders]``; no orders: the level is gone.

    It follows the one whose ``sequence`` is its ``previous``; ``checksum`` is that of the book after it.
    """

    channel: Literal["book"]
    bids: list[tuple[str, str, int]]
    asks: list[tuple[str, str, int]]


class TopUpdate(Step):
    """The best of both sides, when it changes."""

    channel: Literal["top"]
    bids: list[m.Level]
    asks: list[m.Level]


class OrderChange(BaseModel):
    """A step of one order: it joins the back of its level, changes in its place, or is gone."""

    action: Literal["add", "change", "remove"]
    side: m.Side
    price: str
    author: str
    client_id: int
    qty: str


class OrdersUpdate(Step):
    """One block's changes by order, to be made in the order given."""

    channel: Literal["l3"]
    orders: list[OrderChange]


class TradesMessage(BaseModel):
    """Trades, each once; ``previous`` is the number of the one before the first of them."""

    channel: Literal["trades"]
    type: Literal["snapshot", "update"]
    pair: str
    previous: int | None = None
    trades: list[m.Trade]


class CandleMessage(BaseModel):
    """The newest candle, whenever a trade changes it."""

    channel: Literal["candles"]
    type: Literal["snapshot", "update"]
    pair: str
    width: m.Width
    candle: m.Candle | None


class PendingLevel(BaseModel):
    price: str
    pending: str
    cancelling: str


class PendingMessage(BaseModel):
    """What one peer holds that is not certified yet, by level. It may come to nothing."""

    channel: Literal["pending"]
    type: Literal["update"]
    pair: str
    height: int
    bids: list[PendingLevel]
    asks: list[PendingLevel]


class PreparedTrade(BaseModel):
    price: str
    qty: str


class PreparedMessage(BaseModel):
    """A block that a quorum prepared, one delay before it is final; ``taken-back``: another block took its place.

    Nothing may rest on it. What became final is told by the other channels.
    """

    channel: Literal["prepared"]
    type: Literal["update", "taken-back"]
    pair: str
    height: int
    block_id: str
    time_ms: int
    final: Literal[False]
    ops: list[str]
    trades: list[PreparedTrade]


class AccountSnapshot(BaseModel):
    """The account's open orders."""

    channel: Literal["account"]
    type: Literal["snapshot"]
    pair: str
    height: int
    orders: list[m.Order]


class AccountEvent(BaseModel):
    """One event of one order of the account; with the ``fill`` if it was one."""

    event: str
    number: int
    order: m.Order
    fill: m.Fill | None = None


class AccountUpdate(BaseModel):
    """What a proven block did to the account's orders. ``restart``: blocks were missed; read the account anew."""

    channel: Literal["account"]
    type: Literal["update", "restart"]
    pair: str
    height: int
    time_ms: int
    events: list[AccountEvent]


class StatusMessage(BaseModel):
    """How the network fares, every two seconds; a problem where nobody answers."""

    channel: Literal["status"]
    type: Literal["update"]
    status: m.Status | m.Problem
    peers: list[m.Peer] | m.Problem


MESSAGES: Final[dict[str, type[BaseModel]]] = {
    model.__name__: model
    for model in (
        *(Answer, Heartbeat, Lagged, BookSnapshot, BookUpdate, TopUpdate, OrdersUpdate, TradesMessage, CandleMessage),
        *(PendingMessage, PreparedMessage, AccountSnapshot, AccountUpdate, StatusMessage),
    )
}
"""What the gateway sends."""
REQUESTS: Final[dict[str, type[BaseModel]]] = {
    "login": Login,
    "ping": Nothing,
    "subscribe": Subscribe,
    "unsubscribe": Subscribe,
    **{name: action[0] for name, action in ACTIONS.items()},
    **{name: request[0] for name, request in READ_REQUESTS.items()},
}
"""What it takes, by the word in ``do``."""


def message_of(told: dict[str, Any]) -> BaseModel:
    """A message of the stream as what it is.

    Raises:
        ValidationError: it is none that is described.
    """
    union: TypeAdapter[Any] = TypeAdapter(Answer if "ok" in told else _union())
    found: BaseModel = union.validate_python(told, strict=False)
    return found


def _union() -> Any:
    return reduce(or_, [model for name, model in MESSAGES.items() if name != "Answer"])


def describe(url: str) -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {}
    sent = {name: _message(model, schemas) for name, model in MESSAGES.items()}
    taken = {f"do_{name}": _request(name, model, schemas) for name, model in REQUESTS.items()}
    scheme, _, host = url.partition("://")
    stream = "#/channels/stream"
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "gossipbook gateway, native stream",
            "version": importlib.metadata.version("gossipbook"),
            "description": "JSON messages, one a frame. A request has an `id` of the client's own, and `do`.",
        },
        "servers": {"gateway": {"host": host, "protocol": "wss" if scheme == "https" else "ws"}},
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*sent, *taken)},
            }
        },
        "operations": {
            "tell": {
                "action": "send",
                "channel": {"$ref": stream},
                "messages": [{"$ref": f"{stream}/messages/{name}"} for name in sent],
            },
            "take": {
                "action": "receive",
                "channel": {"$ref": stream},
                "messages": [{"$ref": f"{stream}/messages/{name}"} for name in taken],
            },
        },
        "components": {"messages": sent | taken, "schemas": schemas},
    }


def _message(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    _add(model, schemas)
    return {"summary": _summary(model), "payload": {"$ref": f"#/components/schemas/{model.__name__}"}}


def _request(name: str, model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    _add(model, schemas)
    head = {"type": "object", "properties": {"id": {"type": ["integer", "string"]}, "do": {"const": name}}}
    body = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"summary": _summary(model), "payload": {"allOf": [head | {"required": ["do"]}, body]}}


def _add(model: type[BaseModel], schemas: dict[str, Any]) -> None:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schema.pop("$defs", {})
    schema.pop("additionalProperties", None)  # A request has its id and its word besides.
    schemas[model.__name__] = schema


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]
