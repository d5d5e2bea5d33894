"""One request of the dialect, over HTTP or over a socket: its parameters, and who makes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gossipbook.gateway.accounts import ApiKey, Scope
from gossipbook.gateway.amounts import assets
from gossipbook.gateway.binance.errors import BAD_SYMBOL, MISSING, NO_SUCH_ORDER, Refused, missing
from gossipbook.gateway.desk import Desk
from gossipbook.gateway.gateway import Gateway
from gossipbook.manifest import Manifest, Pair
from gossipbook.ordered import BoundedDict
from gossipbook.trade.tickets import BadOrder

_WHOLE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class Symbols:
    """The pairs' names in the dialect: ``BTC-USD`` is ``BTCUSD``; where two would be the same, both keep their own."""

    def __init__(self, manifest: Manifest) -> None:
        short = {symbol: "".join(assets(symbol)).upper() for symbol in manifest.symbols()}
        if_unit = {symbol: symbol.upper() for symbol in short if assets(symbol)[1] == "UNIT"}
        short |= if_unit
        taken = [*short.values()]
        self.of_pair = {symbol: name if taken.count(name) == 1 else symbol for symbol, name in short.items()}
        self.pairs = {name: symbol for symbol, name in self.of_pair.items()}


@dataclass(slots=True)
class Dialect:
    """What all requests share. ``listen_keys``: user streams by key, each with whose it is and until when."""

    gateway: Gateway
    symbols: Symbols
    listen_keys: BoundedDict[str, tuple[ApiKey, float]]


@dataclass(slots=True)
class Call:
    """``key``: who signed it, or None."""

    dialect: Dialect
    params: Mapping[str, str]
    key: ApiKey | None = None

    @property
    def gateway(self) -> Gateway:
        """The gateway."""
        return self.dialect.gateway

    async def desk(self, scope: Scope) -> Desk:
        """The desk of whoever signed it, if that key has a scope."""
        assert self.key is not None, "the table says that it is signed"
        return await self.gateway.desk(self.key, scope)

    # -- parameters ---------------------------------------------------------------------------------

    def text(self, name: str, default: str | None = None) -> str:
        """A parameter; without a default it must be there."""
        value = self.params.get(name, "")
        if value:
            return value
        if default is None:
            raise missing(name)
        return default

    def number(self, name: str, default: int | None = None, least: int = 0, most: int = 2**62) -> int:
        """A whole number."""
        text = self.text(name, None if default is None else str(default))
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise Refused(MISSING, f"Parameter '{name}' is not a whole number from {least} to {most}.")
        return int(text)

    def limit(self, default: int, most: int) -> int:
        """How many rows are asked for; more than there may be are that many."""
        return min(self.number("limit", default, 1), most)

    def word(self, name: str, words: Mapping[str, str], code: int, default: str | None = None) -> str:
        """One of some words, as what it is here."""
        text = self.text(name, default).upper()
        if text not in words:
            raise Refused(code, f"Invalid {name}: one of {', '.join(words)}.")
        return words[text]

    def pair(self) -> Pair:
        """The pair of the symbol."""
        return self.pair_of(self.text("symbol"))

    def pair_of(self, name: str) -> Pair:
        """The pair of a symbol, in whatever case."""
        symbol = self.dialect.symbols.pairs.get(name) or self.dialect.symbols.pairs.get(name.upper())
        if symbol is None:
            raise Refused(BAD_SYMBOL, "Invalid symbol.")
        return self.gateway.manifest.pair(symbol)

    def name_of(self, spec: Pair) -> str:
        """A pair's symbol."""
        return self.dialect.symbols.of_pair[spec.symbol]

    async def order_id(self, desk: Desk, spec: Pair, by_id: str = "orderId", by_text: str = "origClientOrderId") -> int:
        """The client order id of the order that is named by its id or by its client order id, which is our text id."""
        number, text = self.number(by_id, 0), self.text(by_text, "")
        if number:
            return number
        if not text:
            raise missing(by_id)
        feed = await desk.feed(spec.symbol)
        row = feed.by_text(text)
        if row is not None:
            return row.client_id
        try:
            return await desk.client_id(spec.symbol, 0, text)
        except BadOrder as error:
            raise Refused(NO_SUCH_ORDER, "Order does not exist.") from error
