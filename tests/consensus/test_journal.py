"""What a journal gives back after a crash, and what it does not take for its own."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from gossipbook.errors import JournalError
from gossipbook.peer.peer import Peer
from gossipbook.storage.memory import MemoryJournal
from gossipbook.storage.rows import BlockRow, FinalRow, ItemRow, Row, VoteRow

from .kit import SYMBOL, Bench, buy, sell


def bench_with_history() -> Bench:
    """One final block, one that is prepared and locked, and a pending op."""
    bench = Bench("c")
    bench.op("o1", "alice", buy(1))
    bench.op("o2", "bob", sell(1, 101))
    bench.op("o3", "carol", buy(1, 90))
    bench.block("b1", ["o1"])
    bench.block("b2", ["o2"], parent="b1", time_ms=1)
    bench.hold("o1")
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ab")
    bench.commit("b1", 0, "ab")
    bench.hold("o2")
    bench.deliver("a", bench.proposal("b2", 0))
    bench.prepare("b2", 0, "ab")
    bench.hold("o3")
    return bench


def journal() -> MemoryJournal:
    made = MemoryJournal()
    made.append(bench_with_history().journal)
    made.sync()
    return made


def test_a_journal_gives_back_what_was_synced() -> None:
    bench = bench_with_history()
    stored = journal().load()[SYMBOL]
    assert [block.id for block, _, _ in stored.chain] == [bench.blocks["b1"].id]
    assert {block.id for block in stored.blocks} == {bench.blocks["b2"].id}
    assert stored.votes == bench.replica.member.ballot.state
    assert {item.id for item in stored.pending} == {bench.ops["o2"].id, bench.ops["o3"].id}


def test_what_was_not_synced_is_gone() -> None:
    made = MemoryJournal()
    made.append(bench_with_history().journal)
    made.crash()
    made.sync()
    assert made.load() == {}


def flip(raw: bytes, at: int = -1) -> bytes:
    data = bytearray(raw)
    data[at] ^= 1
    return bytes(data)


DAMAGE: dict[str, tuple[type, Callable[[Row], Row]]] = {
    "op": (ItemRow, lambda row: replace(row, body=flip(row.body, 20))),
    "op id": (ItemRow, lambda row: replace(row, id=flip(row.id))),
    "final block": (FinalRow, lambda row: replace(row, body=flip(row.body, -5))),
    "final height": (FinalRow, lambda row: replace(row, height=2)),
    "votes": (VoteRow, lambda row: replace(row, state=flip(row.state, 1))),
    "votes checksum": (VoteRow, lambda row: replace(row, checksum=flip(row.checksum))),
    "held block": (BlockRow, lambda row: replace(row, body=flip(row.body, -5))),
}


def load_damaged(kind: type, damage: Callable[[Row], Row]) -> None:
    made = journal()
    rows = made._rows
    places = [i for i, row in enumerate(rows) if isinstance(row, kind)]
    assert places
    for i in places:
        rows[i] = damage(rows[i])
    made.load()


@pytest.mark.parametrize("name", DAMAGE)
def test_a_flipped_bit_is_found(name: str) -> None:
    with pytest.raises(JournalError):
        load_damaged(*DAMAGE[name])


def test_a_flipped_bit_in_a_certificate_is_found() -> None:
    """It would go out as the proof of the next TIMEOUT, which others then take for forged."""
    bench = bench_with_history()
    made = journal()
    final = next(i for i, row in enumerate(made._rows) if isinstance(row, FinalRow))
    made._rows[final] = replace(made._rows[final], fc=flip(made._rows[final].fc))  # type: ignore[union-attr]
    peer = Peer(bench.manifest, bench.me, rng=random.Random(1))
    try:
        problems = peer.restore(made.load(), bench.now())
    except JournalError:
        return
    assert problems
