"""What a client sees: certified and pending, side by side."""

import pytest
from consensus.kit import SYMBOL, buy, sell

from gossipbook.crdt import view
from gossipbook.crdt.view import LevelView, view_book
from gossipbook.matching.commands import Cancel, CancelAll, OrderType, Place, Side, TimeInForce

from .kit import Replicated, signed


def look(r: Replicated, levels: int = 5):  # type: ignore[no-untyped-def]
    return view_book(SYMBOL, 1, r.certified, r.set, levels)


def test_pending_quantity_is_not_open_quantity() -> None:
    r = Replicated()
    r.certify(signed("alice", 0, None, buy(1, 99, 5), buy(2, 98, 1)))
    r.offer(signed("bob", 0, None, buy(1, 99, 7), sell(2, 101, 3)))
    view = look(r)
    assert view.bids == (LevelView(99, 5, 1, 0, 7), LevelView(98, 1, 1, 0, 0))
    assert view.asks == (LevelView(101, 0, 0, 0, 3),)
    assert view.pending_ops == 1


def test_the_matcher_does_not_run_on_what_is_pending() -> None:
    r = Replicated()
    r.certify(signed("alice", 0, None, buy(1, 100, 5)))
    r.offer(signed("bob", 0, None, sell(1, 100, 5)))
    view = look(r)
    assert view.bids == (LevelView(100, 5, 1, 0, 0),)
    assert view.asks == (LevelView(100, 0, 0, 0, 5),)


def test_cancels_are_pending_until_certified() -> None:
    r = Replicated()
    first = signed("alice", 0, None, buy(1, 99, 5), buy(2, 99, 2), sell(3, 105, 4))
    r.certify(first)
    r.offer(second := signed("alice", 1, first, Cancel(1), Cancel(7)))
    assert look(r).bids == (LevelView(99, 7, 2, 5, 0),)
    r.offer(third := signed("alice", 2, second, CancelAll(Side.SELL)))
    assert look(r).asks == (LevelView(105, 4, 1, 4, 0),)
    r.offer(signed("alice", 3, third, CancelAll()))
    assert look(r).bids == (LevelView(99, 7, 2, 7, 0),)
    r.certify(second)
    assert look(r).bids == (LevelView(99, 2, 1, 2, 0),)


def test_parked_and_forked_ops_do_not_show() -> None:
    r = Replicated()
    first = signed("alice", 0, None, buy(1, 99))
    r.offer(signed("alice", 1, first, buy(2, 98)))
    r.offer(signed("eve", 0, None, buy(1, 97)), signed("eve", 0, None, buy(1, 96)))
    assert look(r).bids == ()


def test_levels_are_cut() -> None:
    r = Replicated()
    r.certify(signed("alice", 0, None, *(buy(i, 100 - i) for i in range(1, 10))))
    assert [level.price_ticks for level in look(r, 3).bids] == [99, 98, 97]


def test_orders_that_never_rest_are_no_level() -> None:
    """A market or an immediate order waits for nothing but its block; as a price level it would cross the book."""
    r = Replicated()
    r.certify(signed("alice", 0, None, buy(1, 99, 5)))
    market = Place(1, Side.SELL, OrderType.MARKET, 1, 5, TimeInForce.IOC)
    r.offer(signed("bob", 0, None, market))
    assert look(r).asks == ()


def test_a_view_of_a_full_pool_is_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for it, and pending ops may be anybody's."""
    monkeypatch.setattr(view, "OVERLAY_WORK_CAP", 10)
    r = Replicated()
    for number in range(50):
        r.offer(signed(f"author {number}", 0, None, buy(1, 100 + number, 5)))
    shown = look(r, 500)
    assert sum(level.pending_lots for level in shown.bids) == 50
    assert shown.pending_ops == 50


def test_cancelling_much_again_and_again_is_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "OVERLAY_WORK_CAP", 10)
    r = Replicated()
    first = signed("alice", 0, None, *(buy(n + 1, 100 + n) for n in range(9)))
    r.certify(first)
    visited = []
    orders = r.certified.engine.book.own_orders
    monkeypatch.setattr(type(r.certified.engine.book), "own_orders", lambda _, who: visited.append(who) or orders(who))
    r.offer(signed("alice", 1, first, *(CancelAll(0) for _ in range(100))))
    look(r)
    assert len(visited) == 1
