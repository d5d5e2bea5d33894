"""Looking at a book from outside leaves the core as it is: nothing is executed again because somebody looked."""

from typing import Any

import pytest

from gossipbook.crdt.interpretation import Interpretation
from gossipbook.peer.books import CertifiedBooks
from gossipbook.peer.events import LOCAL
from gossipbook.peer.pair_summary import is_in_line, read_standing
from gossipbook.testing.exchange import SimulatedExchange

LOOK_US = 10_000


def executions(monkeypatch: pytest.MonkeyPatch, *, look: bool) -> tuple[int, int]:
    """(blocks executed by all peers, looks) in one run of forty blocks."""
    executed = looks = 0
    plain = Interpretation.execute

    def counted(self: Interpretation, *arguments: Any) -> Any:
        nonlocal executed
        executed += 1
        return plain(self, *arguments)

    monkeypatch.setattr(Interpretation, "execute", counted)
    exchange = SimulatedExchange(4, seed=1)
    world = exchange._exchange.world

    def peek() -> None:
        nonlocal looks
        for peer in world.up():
            for pair in peer.pairs.values():
                looks += 1
                height = pair.view(5).height
                assert read_standing(pair, b"a" * 32).height == height
                assert CertifiedBooks().read(pair, LOCAL).snapshot.height == height
                assert not is_in_line(pair, b"a" * 32, 1)
        world.call(LOOK_US, peek)

    if look:
        world.call(0, peek)
    for n in range(40):
        exchange.buy("alice", price_ticks=100 + n % 5, lots=1)
        exchange.run(0.2)
    exchange.settle()
    assert {pair.replica.fin for peer in world.up() for pair in peer.pairs.values()} == {40}
    monkeypatch.undo()
    return executed, looks


def test_a_hundred_looks_a_second_execute_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, _ = executions(monkeypatch, look=False)
    watched, looks = executions(monkeypatch, look=True)
    assert looks > 3_000
    assert watched == alone
