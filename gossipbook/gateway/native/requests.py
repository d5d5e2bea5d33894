"""What the native stream takes besides orders."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from gossipbook.gateway.desk import Desk
from gossipbook.gateway.gateway import Gateway
from gossipbook.gateway.native import actions, reads
from gossipbook.gateway.native import models as m


class Subscribe(m.Strict):
    """A channel; ``width`` is for candles."""

    channel: Literal["book", "top", "l3", "trades", "candles", "pending", "prepared", "account", "status"]
    pair: Annotated[str, Field(max_length=32)] = ""
    width: m.Width | None = None


class OneOrder(m.Strict):
    """An order of the account, by its ``client_id`` or its ``text_id``."""

    pair: m.Symbol
    client_id: m.ClientId = 0
    text_id: m.TextId = ""


class SomeRows(m.Strict):
    """A part of the account's orders or fills."""

    pair: m.Symbol
    only_open: bool = False
    after: m.Bound = ""
    before: m.Bound = ""
    limit: m.Limit = 100


async def _order(gateway: Gateway, desk: Desk, asked: OneOrder) -> Any:
    return await actions.order(gateway, desk, asked.pair, asked.client_id, asked.text_id)


async def _orders(gateway: Gateway, desk: Desk, asked: SomeRows) -> Any:
    return await reads.orders(gateway, desk, asked.pair, asked.only_open, asked.after, asked.before, asked.limit)


async def _fills(gateway: Gateway, desk: Desk, asked: SomeRows) -> Any:
    return await reads.fills(gateway, desk, asked.pair, asked.after, asked.before, asked.limit)


READ_REQUESTS: Final[dict[str, tuple[type[BaseModel], Callable[[Gateway, Desk, Any], Awaitable[Any]]]]] = {
    "order": (OneOrder, _order),
    "orders": (SomeRows, _orders),
    "fills": (SomeRows, _fills),
}
"""What only reads: what it takes, and who answers."""
