"""What is told of orders, held against the engine's book after random blocks of the whole rule book."""

from matching.chaos import ARENAS, Chaos
from matching.duel import Duel

from gossipbook.accounts.order_state import OrderState
from gossipbook.matching.commands import OrderType
from gossipbook.matching.ladder import RESTING, Order
from gossipbook.peer.orders import OrderLog

BLOCKS = 150


def test_open_orders_are_told_as_the_book_has_them() -> None:
    seen = {"hidden": 0, "triggered": 0, "waiting": 0}
    for name in sorted(ARENAS):
        arena = ARENAS[name]
        chaos, duel, log = Chaos(11, arena), Duel(arena.rules), OrderLog()
        for _ in range(BLOCKS):
            block = chaos.block(duel.oracle)
            log.follow(tuple(duel.play(chaos.time_ms, block)))
            for account in duel.engine.book.accounts.values():
                for order in account.orders.values():
                    state = compare(log, order)
                    seen["hidden"] += state.hidden_lots > 0
                    seen["triggered"] += state.triggered
                    seen["waiting"] += state.status == "waiting"
    assert min(seen.values()) > 0, seen


def compare(log: OrderLog, order: Order) -> OrderState:
    """An open order in the book, and what is told of it."""
    state = log.find(order.author, order.client_id)
    assert state is not None
    assert (state.side, state.price_ticks, state.qty_lots) == (order.side, order.price_ticks, order.total_lots)
    assert (state.open_lots, state.hidden_lots) == (order.open_lots + order.hidden_lots, order.hidden_lots)
    resting, stop = order.place == RESTING, order.terms.type in (OrderType.STOP, OrderType.STOP_LIMIT)
    assert (state.status, state.triggered) == ("open" if resting else "waiting", resting and stop)
    assert state.stop_ticks == (order.terms.stop_ticks if stop else 0)
    return state
