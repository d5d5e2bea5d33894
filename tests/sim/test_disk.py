"""A disk that loses, tears, flips and refuses; and a journal on it that never gives back what was not written."""

import random
from collections import Counter
from dataclasses import fields, replace

import pytest

from gossipbook.errors import JournalError, JournalFull
from gossipbook.sim.disk import SimDisk, frame
from gossipbook.sim.host import Host, Observer
from gossipbook.storage.rows import BlockRow, FinalRow, ItemRow, Row, VoteRow

from .support import SMALL, opened


class At(random.Random):
    """Chance that is none."""

    def __init__(self, at: int) -> None:
        super().__init__(0)
        self.at = at

    def randrange(self, stop: int, *_: object) -> int:  # type: ignore[override]
        return 2 if stop == 3 else self.at  # of none, all and a part: a part


class Ledger(Observer):
    """What a real member wrote, transaction by transaction."""

    def __init__(self) -> None:
        exchange, _ = opened(SMALL)
        self.member = exchange.roles.leader()
        self.disk = self.member.journal
        self.written: list[list[object]] = []
        exchange.world.watch(self)
        assert not self.disk.rows(), "it was watched from its first record on"
        exchange.world.run(3_000)

    def synced(self, host: Host, records: list[object], now_us: int) -> None:
        if host is self.member:
            self.written.append(records)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


def sizes(ledger: Ledger, count: int) -> list[int]:
    disk = SimDisk()
    for records in ledger.written[:count]:
        disk.append(records)
    disk.sync()
    rows, found = list(disk.rows()), []
    for records in ledger.written[:count]:
        found.append(len(frame(rows[: len(records)])))
        del rows[: len(records)]
    return found


def test_what_is_not_synced_is_lost(ledger: Ledger) -> None:
    disk = SimDisk()
    disk.append(ledger.written[0])
    disk.sync()
    kept = disk.rows()
    disk.append(ledger.written[1])
    assert disk.rows() == kept
    disk.crash()
    disk.sync()
    assert disk.rows() == kept
    assert (disk.torn, disk.survived) == (0, 0)


def test_a_power_cut_leaves_whole_transactions_from_the_first_on(ledger: Ledger) -> None:
    """Wherever the cut falls: never a part of one, never a later one without an earlier one; a torn one is counted."""
    count = 4
    lengths = sizes(ledger, count)
    ends = [sum(lengths[: n + 1]) for n in range(count)]
    for cut in range(sum(lengths) + 1):
        disk = SimDisk()
        for records in ledger.written[:count]:
            disk.append(records)
        disk.crash(At(cut))
        whole = sum(end <= cut for end in ends)
        assert disk.survived == whole
        assert disk.torn == (cut not in (0, *ends))
        assert len(disk.rows()) == sum(map(len, ledger.written[:whole]))
        disk.crash(At(0))
        assert len(disk.rows()) == sum(map(len, ledger.written[:whole])), "what survived is durable"


def test_a_power_cut_spares_what_was_synced(ledger: Ledger) -> None:
    for seed in range(40):
        disk = SimDisk()
        disk.append(ledger.written[0])
        disk.sync()
        disk.append(ledger.written[1])
        disk.crash(random.Random(seed))
        assert len(disk.rows()) >= len(ledger.written[0])
        disk.load()


def test_all_that_can_come_of_a_power_cut_comes_of_some(ledger: Ledger) -> None:
    """A transaction that was not synced is gone, torn, or there all the same."""
    seen: Counter[tuple[int, int]] = Counter()
    for seed in range(200):
        disk = SimDisk()
        for records in ledger.written[:2]:
            disk.append(records)
        disk.crash(random.Random(seed))
        seen[disk.survived, disk.torn] += 1
    assert set(seen) == {(0, 0), (0, 1), (1, 1), (2, 0)}
    assert min(seen.values()) > 10


def test_what_survives_can_be_loaded_and_served(ledger: Ledger) -> None:
    disk = SimDisk()
    for records in ledger.written:
        disk.append(records)
    disk.crash(At(sum(sizes(ledger, len(ledger.written)))))
    assert disk.survived == len(ledger.written)
    assert disk.rows() == ledger.disk.rows()
    (pair,) = disk.load()
    chain = disk.load()[pair].chain
    assert len(chain) == len(ledger.disk.load()[pair].chain) > 5
    assert len(disk.blocks(pair, 1, len(chain), 0)) == len(chain)


def damaged(row: Row, column: str, rng: random.Random) -> Row:
    value = getattr(row, column)
    if isinstance(value, bool):
        return replace(row, **{column: not value})
    if isinstance(value, int):
        return replace(row, **{column: value ^ (1 << rng.randrange(8))})
    if isinstance(value, str):
        at = rng.randrange(len(value))
        return replace(row, **{column: value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]})
    raw = bytearray(value)
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return replace(row, **{column: bytes(raw)})


@pytest.mark.parametrize(
    ("kind", "column"),
    [(kind, part.name) for kind in (ItemRow, BlockRow, FinalRow, VoteRow) for part in fields(kind)],
)
def test_a_flipped_bit_is_found(ledger: Ledger, kind: type[Row], column: str) -> None:
    """In every kind of row and in each of its columns, the checksum's own included."""
    rng = random.Random(f"{kind.__name__} {column}")
    rows = ledger.disk.rows()
    places = [at for at, row in enumerate(rows) if isinstance(row, kind)]
    for _ in range(12):
        at = places[-1] if kind is VoteRow else rng.choice(places)  # an older vote state has been replaced
        made = SimDisk()
        made._keep([*rows[:at], damaged(rows[at], column, rng), *rows[at + 1 :]])
        if kind is BlockRow and [r for r in rows[at + 1 :] if getattr(r, "id", None) == getattr(rows[at], "id", 0)]:
            made._keep([damaged(rows[at], column, rng)])  # nor is an older record of the same block read
        with pytest.raises(JournalError):
            made.load()


def test_a_flip_is_always_found(ledger: Ledger) -> None:
    kinds = set()
    for seed in range(300):
        disk = ledger.disk.copy()
        disk.flip_bit(random.Random(seed))
        kinds |= {type(a) for a, b in zip(disk.rows(), ledger.disk.rows(), strict=True) if a != b}
        with pytest.raises(JournalError):
            disk.load()
    assert kinds == {ItemRow, BlockRow, FinalRow, VoteRow}


def test_an_empty_disk_has_no_bit_to_flip() -> None:
    disk = SimDisk()
    disk.flip_bit(random.Random(1))
    assert disk.load() == {}


def test_trouble_refuses_and_keeps(ledger: Ledger) -> None:
    disk = SimDisk()
    disk.append(ledger.written[0])
    disk.sync()
    disk.append(ledger.written[1])
    disk.trouble = "no space left"
    with pytest.raises(JournalFull, match="no space left"):
        disk.sync()
    with pytest.raises(JournalFull, match="no space left"):
        disk.append(ledger.written[2])
    disk.crash()
    disk.trouble = ""
    assert len(disk.rows()) == len(ledger.written[0])
    disk.load()


def test_a_copy_shares_nothing(ledger: Ledger) -> None:
    copy = ledger.disk.copy()
    assert copy.rows() == ledger.disk.rows()
    before = ledger.disk.rows()
    copy.flip_bit(random.Random(1))
    copy.append(ledger.written[0])
    copy.sync()
    assert ledger.disk.rows() == before
