"""A chain under two rules side by side: the run, the result of each, and what differs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, Protocol, TypeAlias

from gossipbook.crdt.op import Evidence, Op
from gossipbook.errors import VerifyError
from gossipbook.ids import PublicKey
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Side
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import FILL, RawEvent
from gossipbook.matching.variants import BatchAuctionEngine, ProRataEngine

OrderKey: TypeAlias = tuple[PublicKey, int]

OWN_RULE = "price-time"
RULES: dict[str, type[Engine]] = {OWN_RULE: Engine, "pro-rata": ProRataEngine, "batch-auction": BatchAuctionEngine}


class Trade(NamedTuple):
    """A fill. ``maker`` and ``taker`` are authors, each with a client order id; an auction has the later one take."""

    price: int
    lots: int
    maker: PublicKey
    maker_id: int
    taker: PublicKey
    taker_id: int
    taker_side: int


class RematchBlock(Protocol):
    """A finalized block: its height and time, its ops in order, and the events that were certified."""

    @property
    def height(self) -> int: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def items(self) -> Sequence[Op | Evidence]: ...
    @property
    def events(self) -> Sequence[RawEvent]: ...


@dataclass(slots=True)
class AuthorBalance:
    """What one author bought and sold, in lots and in ticks times lots."""

    bought_lots: int = 0
    sold_lots: int = 0
    paid: int = 0
    received: int = 0

    def worth(self, mark: int) -> int:
        """Cash and position at a price."""
        return self.received - self.paid + (self.bought_lots - self.sold_lots) * mark


class Filled(NamedTuple):
    """What one order got: lots, and ticks times lots."""

    lots: int = 0
    value: int = 0


@dataclass(slots=True)
class RuleResult:
    """What came of a chain under one rule."""

    fills: int = 0
    volume_lots: int = 0
    value: int = 0  # ticks times lots
    low_ticks: int = 0
    high_ticks: int = 0
    last_ticks: int = 0
    balances: dict[PublicKey, AuthorBalance] = field(default_factory=dict)
    orders: dict[OrderKey, Filled] = field(default_factory=dict)

    def add(self, trade: Trade) -> None:
        value = trade.price * trade.lots
        self.fills += 1
        self.volume_lots += trade.lots
        self.value += value
        self.low_ticks = min(self.low_ticks or trade.price, trade.price)
        self.high_ticks = max(self.high_ticks, trade.price)
        self.last_ticks = trade.price
        sides = [(trade.taker, trade.taker_id, trade.taker_side), (trade.maker, trade.maker_id, 3 - trade.taker_side)]
        for author, client_id, side in sides:
            balance = self.balances.setdefault(author, AuthorBalance())
            if side == Side.BUY:
                balance.bought_lots += trade.lots
                balance.paid += value
            else:
                balance.sold_lots += trade.lots
                balance.received += value
            before = self.orders.get((author, client_id), Filled())
            self.orders[author, client_id] = Filled(before.lots + trade.lots, before.value + value)

    @property
    def average_ticks(self) -> Fraction | None:
        """What a lot cost on average; None without a fill."""
        return Fraction(self.value, self.volume_lots) if self.volume_lots else None


@dataclass(frozen=True, slots=True)
class Rematch:
    """A certified chain and what another rule would have made of it."""

    pair: str
    rule: str
    blocks: int
    ops: int
    certified: RuleResult
    other: RuleResult

    def gains(self) -> dict[PublicKey, int]:
        """By how much each author would be better off, in ticks times lots; the most first. They add up to 0."""
        mark = self.certified.last_ticks or self.other.last_ticks
        nobody = AuthorBalance()
        gains = {}
        for author in sorted({*self.certified.balances, *self.other.balances}):
            mine = [result.balances.get(author, nobody).worth(mark) for result in (self.other, self.certified)]
            gains[author] = mine[0] - mine[1]
        return dict(sorted(gains.items(), key=lambda entry: -entry[1]))

    def changed_orders(self) -> dict[OrderKey, tuple[Filled, Filled]]:
        """Orders that got another quantity or value: as certified, and under the other rule."""
        nothing = Filled()
        before, after = self.certified.orders, self.other.orders
        keys = sorted({*before, *after})
        both = {key: (before.get(key, nothing), after.get(key, nothing)) for key in keys}
        return {key: pair for key, pair in both.items() if pair[0] != pair[1]}


def rematch(manifest: Manifest, pair: str, blocks: Iterable[RematchBlock], rule: str) -> Rematch:
    """Run a chain's ops, from height 1 on, under its own rule and another.

    Raises:
        VerifyError: there is a gap, or its own rule does not come to the certified fills.
    """
    own, other = engine_of(manifest, pair, OWN_RULE), engine_of(manifest, pair, rule)
    certified, under = RuleResult(), RuleResult()
    height = ops = 0
    for block in blocks:
        if block.height != height + 1:
            raise VerifyError(f"block {block.height} of {pair} follows block {height}: the chain has a gap")
        height = block.height
        ops += len(block.items)
        trades = run_block(own, block)
        if trades != _trades(block.events):
            raise VerifyError(f"block {height} of {pair}: its ops do not come to its fills by price and time")
        for trade in trades:
            certified.add(trade)
        for trade in run_block(other, block):
            under.add(trade)
    return Rematch(pair, rule, height, ops, certified, under)


def engine_of(manifest: Manifest, pair: str, rule: str) -> Engine:
    """An engine of a rule; the network's own is of the network's version."""
    made_with = manifest.pair(pair), manifest.limits, manifest.wardens
    return Engine(*made_with, manifest.rules_version) if rule == OWN_RULE else RULES[rule](*made_with)


def run_block(engine: Engine, block: RematchBlock) -> list[Trade]:
    """Run a block's ops for good; its trades."""
    engine.begin_block(block.time_ms)
    for item in block.items:
        if isinstance(item, Evidence):
            engine.freeze(item.author)
        else:
            engine.run(item.author, item.commands, 0 < item.expiry_ms < block.time_ms, item.seq)
    trades = _trades(engine.end_block())
    engine.commit()
    return trades


def _trades(events: Iterable[RawEvent]) -> list[Trade]:
    return [Trade(*event[2:9]) for event in events if event[0] == FILL]
