"""The terms of an order on the command line: what beside side, quantity and price makes it what it is."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from gossipbook.cli.options import duration
from gossipbook.manifest import Pair
from gossipbook.trade.tickets import KINDS, QUORUM_LOSS, REST, SELF_TRADES, SLIDE, TIFS, BadOrder, Ticket, good_until_ms
from gossipbook.trade.units import format_duration, price_to_ticks, qty_to_lots

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """The options as they were given."""

    kind: str | None
    tif: str | None
    post_only: bool
    slide: bool
    self_trade: str
    expires_ms: int | None
    iceberg: str | None
    min_qty: str | None
    stop: str | None
    on_quorum_loss: str | None
    within_ms: int | None
    text_id: str | None

    def ticket(self, spec: Pair, side: str, qty: str, price: str) -> Ticket:
        """The order in ticks and lots.

        Raises:
            BadAmount: a number that is no whole number of ticks or lots. BadOrder: options that contradict each other.
        """
        if self.on_quorum_loss == REST and (self.tif == "gtd" or self.expires_ms):
            raise BadOrder("--on-quorum-loss rest is for an order without an end")
        return Ticket(
            side=side,
            price_ticks=price_to_ticks(spec, price),
            qty_lots=qty_to_lots(spec, qty),
            kind=self.kind or "",
            tif=self.tif or "",
            post_only=SLIDE if self.slide else self.post_only,
            self_trade=self.self_trade,
            expires_ms=self.expires_ms or 0,
            display_lots=qty_to_lots(spec, self.iceberg, "displayed quantity") if self.iceberg else 0,
            min_lots=qty_to_lots(spec, self.min_qty, "minimum quantity", 1) if self.min_qty else 0,
            stop_ticks=price_to_ticks(spec, self.stop, "stop price") if self.stop else 0,
            text_id=self.text_id or "",
        )

    def good_until_ms(self) -> int:
        """Until when op and order are good; 0 for ever."""
        return good_until_ms(self.on_quorum_loss or "", self.within_ms or 0, time.time_ns() // 1_000_000)

    @property
    def words(self) -> str:
        """What to say of it behind the price."""
        parts = [
            f"stop {self.stop}" if self.stop else "",
            f"showing {self.iceberg}" if self.iceberg else "",
            f"at least {self.min_qty}" if self.min_qty else "",
            f"gone in {format_duration(self.within_ms)}" if self.within_ms else "",
        ]
        return "".join(f", {part}" for part in parts if part)


_OPTIONS = (
    click.option("--type", "kind", type=click.Choice(list(KINDS)),
                 help="A market order takes at any price up to PRICE and never rests; a stop order is one that waits "
                      "for --stop.  [default: limit; stop with --stop]"),
    click.option("--tif", type=click.Choice(list(TIFS)),
                 help="Time in force.  [default: gtc; gtd with --expires-ms; ioc for market]"),
    click.option("--post-only", is_flag=True, help="Refuse the order if it would take."),
    click.option("--slide", is_flag=True, help="Post-only, at the nearest price that does not take."),
    click.option("--self-trade", type=click.Choice(list(SELF_TRADES)), default="cancel-taker", show_default=True,
                 help="What to do on meeting an order of one's own, or of one's group."),
    click.option("--expires-ms", type=click.IntRange(min=1), metavar="MS",
                 help="gtd: lapse after this Unix time, ms."),
    click.option("--iceberg", metavar="QTY", help="Show at most so much of what rests."),
    click.option("--min", "min_qty", metavar="QTY", help="Cancel the order unless so much fills on arrival."),
    click.option("--stop", metavar="PRICE",
                 help="Wait until a trade is at this price or beyond; then take at any price up to PRICE, or with "
                      "--type stop-limit be a limit order at it."),
    click.option("--text-id", metavar="TEXT",
                 help="A name of your own for the order. Placed again under it, it is the same order."),
    click.option("--on-quorum-loss", type=click.Choice(QUORUM_LOSS),
                 help="While the pair has no quorum: rest waits for one however long; expire, with --within, gives the "
                      "op and the order an end in block time: the op is void then if it is not certified, and the "
                      "order lapses if it rests, quorum or not."),
    click.option("--within", "within_ms", type=duration, metavar="DURATION",
                 help="For --on-quorum-loss expire: so long from now, such as 30s."),
)  # fmt: skip


def terms_options(command: Callable[..., T]) -> Callable[..., T]:
    """The options of an order's terms; the command gets them as ``terms``."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> T:
        terms = OrderTerms(**{name: kwargs.pop(name) for name in OrderTerms.__slots__})
        return command(*args, terms=terms, **kwargs)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
