"""One order as the oracle keeps it."""

from typing import Any, TypeAlias

from gossipbook.audit.oracle_codes import (
    BUY,
    FOK,
    GTC,
    GTD,
    LIMIT,
    MARKET,
    POST_ONLY,
    SLICES_CAP,
    SLIDE,
    STOP,
    STOP_LIMIT,
)

Fields: TypeAlias = tuple[Any, ...]


class OracleOrder:
    """What one order is now.

    ``open`` is all that is open, hidden lots included; ``shown`` is the part that the book shows. An order that
    is not in the book hides nothing. ``entered`` is its order number: time priority within a price.
    """

    def __init__(self, author: bytes, place: Fields) -> None:
        client_id, side, type_, price, total, tif, flags, self_trade, expires, *special = place
        display, minimum, stop, *_text = special or (0, 0, 0)
        self.author: bytes = author
        self.client_id: int = client_id
        self.side: int = side
        self.type: int = type_
        self.price: int = price
        self.total: int = total
        self.tif: int = tif
        self.self_trade: int = self_trade
        self.expires: int = expires
        self.display: int = display
        self.minimum: int = minimum
        self.stop: int = stop
        self.post_only, self.slide = bool(flags & POST_ONLY), bool(flags & SLIDE)
        self.open: int = total
        self.shown: int = total
        self.entered = 0
        self.filled = 0
        self.last_event = 0  # the number of the last event about it
        self.where: list[OracleOrder] | None = None  # the list of the book's that it is in

    @property
    def hidden(self) -> int:
        return self.open - self.shown

    @property
    def rests(self) -> bool:
        return self.tif in (GTC, GTD)

    @property
    def is_stop(self) -> bool:
        return self.type in (STOP, STOP_LIMIT)

    def allows(self, price: int) -> bool:
        return price <= self.price if self.side == BUY else price >= self.price

    def rank(self) -> tuple[int, int]:
        """Sorts a side by price, then time."""
        return (-self.price if self.side == BUY else self.price), self.entered

    def triggered_by(self, price: int) -> bool:
        return price >= self.stop if self.side == BUY else price <= self.stop

    def take(self, lots: int) -> None:
        """Fills, decrements and cancels use up what is shown before what is hidden."""
        self.open -= lots
        self.shown = max(0, self.shown - lots)

    def show_all(self, open_lots: int) -> None:
        self.open = self.shown = open_lots

    def fits_an_auction(self) -> bool:
        return self.rests and self.type in (LIMIT, STOP, STOP_LIMIT) and not self.post_only and not self.minimum

    def has_too_many_slices(self) -> bool:
        return self.display != 0 and self.total > self.display * SLICES_CAP

    def is_nonsense(self) -> bool:
        """Whether its fields contradict one another."""
        return (
            (self.type == MARKET and self.rests)
            or (self.post_only and (self.type == MARKET or not self.rests))
            or (self.tif == GTD) != (self.expires != 0)
            or (self.slide and not self.post_only)
            or self.is_stop != (self.stop != 0)
            or (self.is_stop and (not self.rests or self.post_only or self.minimum != 0))
            or (self.display != 0 and (self.type in (MARKET, STOP) or not self.rests or self.display >= self.total))
            or (self.minimum != 0 and (self.tif == FOK or self.post_only or self.minimum > self.total))
        )
