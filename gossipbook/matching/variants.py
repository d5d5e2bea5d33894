"""Engines in which orders meet by another rule than the network's; what they are for is in :mod:`gossipbook.rematch`.

Only who trades with whom, and at which price, is theirs: commands, refusals, stops, leases, groups and states are the
engine's. They stand here because a compiled class can only be extended by one that was compiled with it.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.constants import ALLOW, AUCTION, BUY, CANCEL_MAKER, HALTED, OPEN
from gossipbook.matching.counters import Mark
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import FILL, CancelCause, RawEvent
from gossipbook.matching.ladder import Order
from gossipbook.matching.market import ENOUGH, TOO_LITTLE

OrderKey: TypeAlias = tuple[bytes, int]


class ProRataEngine(Engine):
    """Within a price, in proportion to what each order shows; what rounding leaves over, by time."""

    def _match(self, taker: Order) -> None:
        ladder = self.book.asks if taker.side == BUY else self.book.bids
        limit_key = taker.price_ticks * ladder.sign
        while taker.open_lots and ladder.keys and ladder.keys[-1] >= limit_key:
            makers = list(ladder.levels[ladder.keys[-1]].orders())
            others = [maker for maker in makers if not self._prevents(taker, maker)]
            if not others:
                self._self_trade(taker, makers[0])
                continue
            for maker, lots in zip(others, shares([m.open_lots for m in others], taker.open_lots), strict=True):
                if lots:
                    taker.open_lots -= lots
                    self._fill(maker, taker, maker.price_ticks, lots)
                    self._take_filled(maker, lots)

    def _prevents(self, taker: Order, maker: Order) -> bool:
        """Whether the two are kept from trading."""
        return taker.terms.self_trade != ALLOW and self._grouped(maker.author, taker.author)

    def _look(self, taker: Order, wanted: int) -> int:
        ladder = self.book.asks if taker.side == BUY else self.book.bids
        limit_key = taker.price_ticks * ladder.sign
        for key in ladder.keys_best_first():
            if key < limit_key:
                return TOO_LITTLE
            own = False
            for maker in ladder.levels[key].orders():
                if self._prevents(taker, maker):
                    own = True
                else:
                    wanted -= maker.open_lots + maker.hidden_lots
            if wanted <= 0:
                return ENOUGH
            if own and taker.terms.self_trade != CANCEL_MAKER:
                return TOO_LITTLE
        return TOO_LITTLE


def shares(open_lots: Sequence[int], wanted: int) -> list[int]:
    """How ``wanted`` lots are taken from orders in order of entry: in proportion, rounded down, the rest by time."""
    total = sum(open_lots)
    if wanted >= total:
        return list(open_lots)
    given = [wanted * lots // total for lots in open_lots]
    left = wanted - sum(given)
    for at, lots in enumerate(open_lots):
        more = min(left, lots - given[at])
        given[at] += more
        left -= more
    return given


class _Wish(NamedTuple):
    """To trade so many lots in this block's auction (0: all), or not at all."""

    lots: int

    @property
    def cause(self) -> CancelCause:
        """How a cancellation calls it."""
        return CancelCause.BELOW_MINIMUM if self.lots else CancelCause.UNFILLED


class BatchAuctionEngine(Engine):
    """Orders rest without matching; each block ends with one call auction, the only chance of immediate ones."""

    def __init__(self, pair: Pair, limits: Limits, wardens: Sequence[bytes] = (), rules: int = 2) -> None:
        super().__init__(pair, limits, wardens, rules)
        self._immediate: list[OrderKey] = []  # may not rest beyond this block
        self._wishes: dict[OrderKey, _Wish] = {}

    def begin_block(self, time_ms: int) -> None:
        self._immediate = []
        self._wishes = {}
        super().begin_block(time_ms)

    def end_block(self) -> list[RawEvent]:
        if self.book.line and self.pair_state == OPEN:
            self._run_line()
        if self.pair_state in (HALTED, AUCTION):
            for key in self._wishes:
                self._remove(key, self._wishes[key].cause)
        else:
            self._hold()
        for key in self._immediate:
            self._remove(key, CancelCause.UNFILLED)
        self.reference_ticks = self.last_trade_ticks
        return self.events

    def _take(self, order: Order, whole: bool) -> None:
        if whole:
            self._wishes[order.author, order.client_id] = _Wish(0)
        self._enter(order, rests=False)

    def _look(self, taker: Order, wanted: int) -> int:
        self._wishes[taker.author, taker.client_id] = _Wish(wanted)
        return ENOUGH  # The auction will tell.

    def _enter(self, order: Order, *, rests: bool) -> None:
        if not rests:
            self._immediate.append((order.author, order.client_id))
        self._rest(order)

    def _uncross(self) -> None:
        """A pair that opens is part of its block's auction."""

    def _hold(self) -> None:
        """Hold the auction; and again without the last to enter that would get less than it wishes, until none does."""
        while True:
            wanted = {}
            for key, wish in self._wishes.items():
                order = self.book.find(*key)
                if order is not None:
                    held = order.open_lots + order.hidden_lots
                    wanted[key] = min(wish.lots or held, held)
            mark = self._mark()
            super()._uncross()
            got = self._got_since(mark) if wanted else {}
            short = [key for key, lots in wanted.items() if got.get(key, 0) < lots]
            if not short:
                return
            self._return_to(mark)
            last = max(short, key=self._entered)
            self._remove(last, self._wishes[last].cause)

    def _got_since(self, mark: Mark) -> dict[OrderKey, int]:
        """What each order traded since then."""
        got: dict[OrderKey, int] = {}
        for event in self.events[mark.events :]:
            if event[0] == FILL:
                _, _, _, lots, maker, maker_id, taker, taker_id, _ = event
                for key in ((maker, maker_id), (taker, taker_id)):
                    got[key] = got.get(key, 0) + lots
        return got

    def _entered(self, key: OrderKey) -> int:
        order = self.book.find(*key)
        assert order is not None
        return order.number

    def _remove(self, key: OrderKey, cause: CancelCause) -> None:
        """Cancel an order, if it is open."""
        order = self.book.find(*key)
        if order is not None:
            self._take_out(order, cause)
