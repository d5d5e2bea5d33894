"""What a user of the fixture can do, and that it tells on what goes wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sim import overfilling

from gossipbook.client_messages import AckLevel
from gossipbook.matching.commands import Cancel
from gossipbook.testing import SimulatedExchange

Make = Callable[..., SimulatedExchange]

pytest_plugins = ["pytester"]


def test_two_authors_trade(simulated_exchange: Make) -> None:
    exchange = simulated_exchange()
    bid = exchange.buy("alice", price_ticks=100, lots=3)
    ask = exchange.sell("bob", price_ticks=99, lots=2)
    exchange.settle()
    assert (exchange.filled_lots(bid), exchange.filled_lots(ask)) == (2, 2)
    assert exchange.level(bid) == AckLevel.CERTIFIED
    books = {str(exchange.book(peer)) for peer in exchange.peers}
    assert len(books) == 1


def test_a_minority_accepts_and_finalizes_nothing(simulated_exchange: Make) -> None:
    exchange = simulated_exchange(5)
    alone = exchange.leader
    exchange.partition([alone], exchange.others(alone))
    bid = exchange.buy("alice", price_ticks=100, lots=3, through=alone)
    exchange.run(1.5)
    assert exchange.level(bid) == AckLevel.DURABLE
    assert exchange.events() == []
    exchange.heal()
    exchange.sell("bob", price_ticks=100, lots=3)
    exchange.settle()
    assert exchange.filled_lots(bid) == 3
    assert exchange.leader != alone or exchange.events()


def test_crashes_and_pauses(simulated_exchange: Make) -> None:
    exchange = simulated_exchange(4, seed=3)
    bid = exchange.buy("alice", price_ticks=100, lots=3)
    exchange.crash(exchange.members[1])
    exchange.pause(exchange.members[2])
    exchange.run(2)
    assert exchange.filled_lots(bid) == 0
    exchange.restart(exchange.members[1])
    exchange.resume(exchange.members[2])
    gone = exchange.cancel(bid)
    assert isinstance(gone.op.commands[0], Cancel)
    assert exchange.run_until(lambda: exchange.level(gone) == AckLevel.CERTIFIED)
    exchange.sell("bob", price_ticks=100, lots=3)
    exchange.settle()
    assert exchange.filled_lots(bid) == 0


def test_the_same_seed_gives_the_same_exchange(simulated_exchange: Make) -> None:
    def story(seed: int) -> list[object]:
        exchange = simulated_exchange(4, seed=seed)
        for number in range(5):
            exchange.buy("alice", price_ticks=100 + number, lots=1)
            exchange.sell("bob", price_ticks=102, lots=1)
            exchange.run(0.02)
        exchange.settle()
        return [*exchange.events(), exchange.now_s]

    assert story(1) == story(1)


def test_one_peer_is_an_exchange_too(simulated_exchange: Make) -> None:
    exchange = simulated_exchange(1)
    bid = exchange.buy("alice", price_ticks=5, lots=1)
    exchange.sell("bob", price_ticks=5, lots=1)
    exchange.settle()
    assert exchange.filled_lots(bid) == 1


def test_it_fails_a_test_whose_exchange_breaks_a_law(pytester: pytest.Pytester) -> None:
    """The engine is made to fill more than there is; the test itself looks at nothing, the fixture does."""
    pytester.makepyfile(
        """
        from gossipbook.crdt import interpretation
        from overfilling import Overfilling

        def test_overfull(simulated_exchange, monkeypatch):
            monkeypatch.setattr(interpretation, "Engine", Overfilling)
            exchange = simulated_exchange()
            exchange.buy("alice", price_ticks=100, lots=3)
            exchange.sell("bob", price_ticks=100, lots=2)
            exchange.run(1)
        """
    )
    shutil.copy(Path(overfilling.__file__), pytester.path)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*AssertionError: I[12] at*"])
