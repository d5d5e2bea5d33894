"""A snapshot at a peer is of certified state, whatever the engine is trying out at that moment."""

from gossipbook.books.l3 import L3Book
from gossipbook.effects import Emit, Now
from gossipbook.peer.books import CertifiedBooks
from gossipbook.peer.events import BookAsked, BookRead
from gossipbook.testing.exchange import SimulatedExchange


def ask(exchange: SimulatedExchange, peer: int) -> BookRead:
    core = exchange._host(peer).peer
    assert core is not None
    (effect,) = core.handle(BookAsked(exchange.pairs[0]), Now(0, 0))
    assert isinstance(effect, Emit)
    assert isinstance(effect.event, BookRead)
    return effect.event


def test_a_block_that_is_not_certified_does_not_show_and_is_finalized_all_the_same() -> None:
    exchange = SimulatedExchange(peers=4, seed=3)
    exchange.buy("alice", price_ticks=100, lots=5)
    exchange.settle()
    leader = exchange.leader
    before = ask(exchange, exchange.others(leader)[0]).snapshot
    assert (before.height, before.sequence, len(before.rows)) == (1, 1, 1)
    exchange.partition([leader], exchange.others(leader))
    order = exchange.sell("bob", price_ticks=100, lots=3, through=leader)
    exchange.run(0.5)
    core = exchange._host(leader).peer
    assert core is not None
    engine = core.pairs[exchange.pairs[0]].certified.engine
    ahead = engine.event_number
    assert ahead > before.sequence, "the leader has executed its proposal"
    core.books = CertifiedBooks()  # So that the book is read anew.
    assert ask(exchange, leader).snapshot == before
    assert engine.event_number == ahead, "the proposal is still executed"
    exchange.heal()
    exchange.settle()
    assert exchange.filled_lots(order) == 3
    for peer in exchange.peers:
        after = ask(exchange, peer).snapshot
        assert [row[-1] for row in after.rows] == [2]
        assert after.sequence == len(exchange.events())
    exchange.finish()


def test_a_snapshot_and_the_events_after_it_are_the_engines_book() -> None:
    exchange = SimulatedExchange(peers=4, seed=5)
    symbol = exchange.pairs[0]
    core = exchange._host(0).peer
    assert core is not None
    spec = core.manifest.pair(symbol)
    for number in range(3):
        exchange.buy("alice", price_ticks=100 - number, lots=5)
        exchange.settle()
    book = L3Book.of_snapshot(spec, ask(exchange, 0).snapshot)
    assert (book.height, book.sequence) == (3, 3)
    for number in range(3):
        exchange.sell("bob", price_ticks=99, lots=2 + number)
        exchange.settle()
        read = ask(exchange, 0).snapshot
        book.apply(read.height, read.block_id, read.time_ms, exchange.events()[book.sequence :])
        assert book.snapshot() == read
    exchange.finish()
