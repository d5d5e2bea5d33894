"""The three rules: the network's own to the last fill, the others by what they promise."""

import dataclasses
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipbook.crdt.op import Evidence, Op
from gossipbook.errors import VerifyError
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    AnyPlace,
    Cancel,
    CancelAll,
    JoinGroup,
    Lease,
    OrderType,
    Place,
    PlaceSpecial,
    SelfTrade,
    SetState,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import FILL
from gossipbook.matching.variants import shares
from gossipbook.rematch.compare import RULES, RuleResult, Trade, engine_of, rematch, run_block
from tests.receipt.kit import MANIFEST, START_MS, SYMBOL, Author, Chain, make_manifest

BUY, SELL = Side.BUY, Side.SELL
KEYS = [Author(f"author{number}").key for number in range(5)]


class Block:
    """An executed block as the package wants it."""

    def __init__(self, executed) -> None:
        self.height, self.time_ms = executed.block.height, executed.block.time_ms
        self.items, self.events = executed.items, executed.events


def under(chain: Chain, rule: str):
    return rematch(chain.manifest, SYMBOL, map(Block, chain.blocks), rule)


def trades(chain: Chain, rule: str) -> list[list[Trade]]:
    """Each block's trades under a rule."""
    engine = engine_of(chain.manifest, SYMBOL, rule)
    return [run_block(engine, block) for block in map(Block, chain.blocks)]


# -- random chains ----------------------------------------------------------------------------------


def some_command(author: Author, rng: random.Random, now_ms: int):
    """Anything that an author may ask for; prices are few, so that orders meet, own ones too."""
    roll = rng.random()
    if roll < 0.1 and author.client_id:
        return Cancel(rng.randint(1, author.client_id + 1))
    if roll < 0.22 and author.client_id:
        price, lots = rng.choice([0, rng.randint(95, 105)]), rng.choice([0, rng.randint(1, 12)])
        return Amend(rng.randint(max(1, author.client_id - 6), author.client_id), price, lots, rng.randint(0, 1))
    if roll < 0.24:
        return CancelAll(rng.randint(0, 2))
    if roll < 0.26:
        return rng.choice([Lease(rng.choice([0, 5, 40])), JoinGroup(rng.choice(KEYS)), AdmitToGroup(rng.choice(KEYS))])
    if roll < 0.28:
        return SetState(rng.choice([1, 1, 1, 2, 4, 5]))
    tif = rng.choice([1, 1, 1, 2, 3, 4])
    market = tif >= 3 and rng.random() < 0.3
    more = {
        "tif": tif if rng.random() < 0.97 else rng.randint(1, 4),
        "flags": int(rng.random() < 0.15),
        "self_trade": rng.randint(1, 4),
        "expires_ms": now_ms + rng.randint(-5, 60) if tif == 2 else 0,
    }
    place = author.place(rng.choice([BUY, SELL]), rng.randint(94, 106), rng.randint(1, 12), **more)
    place = place._replace(type=2 if market else 1)
    place = place._replace(client_id=max(place.client_id - 1, 1)) if rng.random() < 0.02 else place
    return _special(place, rng) if rng.random() < 0.3 else place


def _special(place: Place, rng: random.Random) -> PlaceSpecial:
    """The same with a displayed quantity, a minimum, or a stop price."""
    special = PlaceSpecial(*place)
    if rng.random() < 0.3 and special.tif <= TimeInForce.GTD and not special.flags:
        stop = special.price_ticks + (-2 if special.side == BUY else 2)
        return special._replace(type=OrderType.STOP_LIMIT, stop_ticks=stop)
    if rng.random() < 0.5:
        return special._replace(min_lots=rng.randint(1, special.qty_lots), flags=0)
    return special._replace(display_lots=2, qty_lots=special.qty_lots + 2)


def some_op(author: Author, rng: random.Random, now_ms: int) -> Op:
    return author.sign(*(some_command(author, rng, now_ms) for _ in range(rng.randint(1, 4))))


def random_chain(seed: int, blocks: int = 25) -> Chain:
    rng = random.Random(seed)
    tight = Limits(max_open_orders_per_author=6, max_open_orders_per_pair=20)
    manifest = make_manifest(limits=tight) if seed % 2 else MANIFEST
    if seed % 3 == 0:
        pairs = (Pair(SYMBOL, price_band_bps=400, max_qty_lots=10, min_qty_lots=2),)
        manifest = type(manifest)("banded", pairs, manifest.matchers, 4, limits=manifest.limits)
    if seed % 4 == 1:
        manifest = dataclasses.replace(manifest, wardens=(KEYS[0],))
    chain = Chain(manifest)
    authors = [Author(f"author{number}", manifest) for number in range(5)]
    frozen: set[int] = set()
    for height in range(blocks):
        now_ms = START_MS + 10 * height
        items: list[Op | Evidence] = []
        for number, author in enumerate(authors):
            if number in frozen:
                continue
            if height == 15 and number == 4:
                seq, prev = author.seq, author.prev
                pair = [author.sign(Cancel(1))]
                author.seq, author.prev = seq, prev
                pair.append(author.sign(Cancel(2)))
                items.append(Evidence(*sorted(pair, key=lambda op: op.id)))
                frozen.add(number)
                continue
            items += [some_op(author, rng, now_ms) for _ in range(rng.randint(0, 3))]
        chain.add(*items)  # type: ignore[arg-type]
    return chain


SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_price_time_comes_to_the_certified_fills(seed: int) -> None:
    chain = random_chain(seed)
    again = under(chain, "price-time")
    assert again.certified == again.other
    assert again.certified.fills == sum(event[0] == FILL for block in chain.blocks for event in block.events) > 0
    assert again.changed_orders() == {}
    assert not any(again.gains().values())


@pytest.mark.parametrize("rule", RULES)
def test_under_every_rule_trades_keep_to_limits_and_quantities(rule: str) -> None:
    for seed in SEEDS:
        chain = random_chain(seed)
        wanted: dict[tuple[bytes, int], int] = defaultdict(int)
        limits: dict[tuple[bytes, int], list[int]] = defaultdict(list)
        sides: dict[tuple[bytes, int], int] = {}
        got: Counter[tuple[bytes, int]] = Counter()
        for executed, traded in zip(chain.blocks, trades(chain, rule), strict=True):
            for item in executed.items:
                for command in () if isinstance(item, Evidence) else item.commands:
                    key = item.author, getattr(command, "client_id", 0)
                    if isinstance(command, AnyPlace | Amend):
                        wanted[key] = max(wanted[key], command.qty_lots)
                        limits[key].append(command.price_ticks)
                    if isinstance(command, AnyPlace):
                        sides.setdefault(key, command.side)
            assert rule != "batch-auction" or len({trade.price for trade in traded}) <= 1
            for trade in traded:
                assert trade.maker != trade.taker
                maker, taker = (trade.maker, trade.maker_id), (trade.taker, trade.taker_id)
                for key in (maker, taker):
                    got[key] += trade.lots
                    assert got[key] <= wanted[key]
                    prices = [price for price in limits[key] if price]
                    assert trade.price <= max(prices) if sides[key] == BUY else trade.price >= min(prices)
                assert {sides[maker], sides[taker]} == {BUY, SELL}
                assert sides[taker] == trade.taker_side


@pytest.mark.parametrize("rule", ["pro-rata", "batch-auction"])
def test_what_some_gain_others_lose(rule: str) -> None:
    differs = 0
    for seed in SEEDS:
        outcome = under(random_chain(seed), rule)
        gains = list(outcome.gains().values())
        assert sum(gains) == 0
        assert gains == sorted(gains, reverse=True)
        differs += bool(outcome.changed_orders())
    assert differs > 30


# -- pro-rata ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(0, 300))
def test_shares_add_up(open_lots: list[int], wanted: int) -> None:
    given_lots = shares(open_lots, wanted)
    total = sum(open_lots)
    assert sum(given_lots) == min(wanted, total)
    for lots, share in zip(open_lots, given_lots, strict=True):
        assert min(wanted, total) * lots // max(total, 1) <= share <= lots


def test_shares_are_rounded_down_and_the_rest_goes_by_time() -> None:
    assert shares([30, 10], 20) == [15, 5]
    assert shares([10, 10, 10], 10) == [4, 3, 3]
    assert shares([1, 1, 1], 2) == [1, 1, 0]
    assert shares([1, 98], 2) == [1, 1]
    assert shares([5, 5], 30) == [5, 5]


def book_with(*orders: tuple[str, Side, int, int]) -> Chain:
    """A chain of one order a block, by (author, side, price, lots)."""
    chain = Chain()
    authors: dict[str, Author] = {}
    for name, side, price, lots in orders:
        author = authors.setdefault(name, Author(name))
        chain.add(author.sign(author.place(side, price, lots, self_trade=SelfTrade.CANCEL_MAKER)))
    return chain


def test_a_level_is_shared_in_proportion() -> None:
    chain = book_with(("a", SELL, 100, 30), ("b", SELL, 100, 10), ("c", SELL, 99, 4), ("d", BUY, 100, 24))
    (*_, last) = trades(chain, "pro-rata")
    assert [(trade.price, trade.lots) for trade in last] == [(99, 4), (100, 15), (100, 5)]
    outcome = under(chain, "pro-rata")
    names = {Author(name).key: name for name in "abcd"}
    assert {names[author]: gain for author, gain in outcome.gains().items()} == dict.fromkeys("abcd", 0)
    changed = {names[key[0]]: (a.lots, b.lots) for key, (a, b) in outcome.changed_orders().items()}
    assert changed == {"a": (20, 15), "b": (0, 5)}


def test_own_orders_get_no_share() -> None:
    chain = book_with(("a", SELL, 100, 10), ("d", SELL, 100, 10), ("b", SELL, 100, 10), ("d", BUY, 100, 8))
    assert [trade.lots for trade in trades(chain, "pro-rata")[-1]] == [4, 4]


# -- auctions ---------------------------------------------------------------------------------------


def test_a_block_is_one_auction() -> None:
    chain = Chain()
    a, b, c, d = (Author(name) for name in "abcd")
    chain.add(a.sign(a.place(SELL, 98, 5)), b.sign(b.place(SELL, 100, 5)))
    chain.add(c.sign(c.place(BUY, 102, 6)), d.sign(d.place(BUY, 99, 3, tif=TimeInForce.IOC)))
    chain.add(d.sign(d.place(SELL, 90, 1)))
    first, second, third = trades(chain, "batch-auction")
    assert first == []
    assert [(t.price, t.lots, t.maker) for t in second] == [(100, 5, a.key), (100, 1, b.key)]
    assert third == []  # The immediate order is gone.


def test_a_fill_or_kill_trades_whole_or_not() -> None:
    chain = Chain()
    a, b, c = (Author(name) for name in "abc")
    chain.add(a.sign(a.place(SELL, 100, 5)))
    chain.add(b.sign(b.place(BUY, 100, 6, tif=TimeInForce.FOK)), c.sign(c.place(BUY, 100, 2)))
    chain.add(b.sign(b.place(BUY, 100, 3, tif=TimeInForce.FOK)))
    _, second, third = trades(chain, "batch-auction")
    assert [(t.lots, t.taker) for t in second] == [(2, c.key)]
    assert [(t.lots, t.taker) for t in third] == [(3, b.key)]


@pytest.mark.parametrize("mode", SelfTrade)
def test_one_author_does_not_trade_with_itself_in_an_auction(mode: SelfTrade) -> None:
    chain = Chain()
    a, b = Author("a"), Author("b")
    chain.add(a.sign(a.place(SELL, 100, 5)))
    chain.add(a.sign(a.place(BUY, 101, 4, self_trade=mode)), b.sign(b.place(BUY, 100, 5)))
    (_, second) = trades(chain, "batch-auction")
    left = {SelfTrade.CANCEL_TAKER: 5, SelfTrade.CANCEL_MAKER: 0, SelfTrade.CANCEL_BOTH: 0, SelfTrade.DECREMENT: 1}
    assert sum(trade.lots for trade in second) == left.get(mode, 5)
    assert any(trade.taker == a.key for trade in second) == (mode == SelfTrade.ALLOW)


# -- what ends a run --------------------------------------------------------------------------------


def test_fills_that_were_not_certified_are_noticed() -> None:
    chain = random_chain(1)
    blocks = [Block(executed) for executed in chain.blocks]
    at = next(at for at, block in enumerate(blocks) if any(event[0] == FILL for event in block.events))
    blocks[at].events = [event for event in blocks[at].events if event[0] != FILL]
    with pytest.raises(VerifyError, match=f"block {at + 1} .* do not come to its fills"):
        rematch(chain.manifest, SYMBOL, blocks, "pro-rata")


def test_a_gap_is_noticed() -> None:
    chain = random_chain(1)
    with pytest.raises(VerifyError, match="gap"):
        rematch(chain.manifest, SYMBOL, map(Block, chain.blocks[1:]), "pro-rata")


def test_an_empty_chain() -> None:
    outcome = rematch(MANIFEST, SYMBOL, [], "batch-auction")
    assert (outcome.certified, outcome.gains()) == (RuleResult(), {})
    assert outcome.certified.average_ticks is None
