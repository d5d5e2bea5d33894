"""What journals are filled with here: two pairs with chains, held blocks, vote states, pending ops and evidence."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.consensus.records import BlockRecord, FinalRecord, ItemRecord, VoteRecord, VoteState
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Evidence, Op, sign_op
from gossipbook.identity import DOMAIN_TIMEOUT, DOMAIN_VOTE, Identity
from gossipbook.ids import digest
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.peer.pair_replica import StoredPair
from gossipbook.storage.memory import MemoryJournal
from gossipbook.storage.sqlite import SqliteJournal

PAIRS = ("GOLD/USD", "IRON/USD")
TIME_MS = 1_700_000_000_000
FILES = ("journal.db", "journal.db-wal", "HIGHWATER")


def identity(name: str) -> Identity:
    return Identity(hashlib.sha256(name.encode()).digest())


MEMBERS = {key.public_key: key for key in (identity(f"member {i}") for i in range(4))}
MANIFEST = Manifest(
    name="storage",
    pairs=tuple(Pair(symbol) for symbol in PAIRS),
    matchers=tuple(Matcher(f"m{i}", key, f"o{i}") for i, key in enumerate(MEMBERS)),
    committee_size=4,
)
CHAIN = MANIFEST.chain_id
ME = next(iter(MEMBERS.values()))


def forks(author: str, life: int, symbol: str = PAIRS[0]) -> Evidence:
    """Two first ops of one life."""
    ops = [
        sign_op(identity(author), CHAIN, symbol, life * LIFE, GENESIS_PREV, [Place(1, 1, 1, price, 7, 1)])
        for price in (7, 8)
    ]
    return Evidence(*sorted(ops, key=lambda op: op.id))


class Story:
    """One pair's history, in the turns in which its records are committed."""

    def __init__(self, symbol: str, places: int = 2) -> None:
        self.symbol = symbol
        self.committee = Committee.of(MANIFEST, CHAIN, symbol)
        self.turns: list[list[object]] = []
        self.tip = self.committee.genesis
        self.height = 0
        self.fc: Certificate | None = None
        self._places = places
        self._heads: dict[str, tuple[int, bytes]] = {}

    def op(self, author: str, price: int = 100) -> Op:
        seq, prev = self._heads.get(author, (0, GENESIS_PREV))
        orders = [
            Place(1 + seq * self._places + i, Side.BUY, OrderType.LIMIT, price + i, 5, TimeInForce.GTC)
            for i in range(self._places)
        ]
        op = sign_op(identity(author), CHAIN, self.symbol, seq, prev, orders)
        self._heads[author] = (seq + 1, op.id)
        return op

    def finalize(self, authors: tuple[str, ...] = ("ann", "bea")) -> None:
        """One height: ops held, block prepared, locked, committed, final."""
        self.finalize_items([self.op(author) for author in authors])

    def finalize_items(self, items: list[Item]) -> None:
        """The same of any items."""
        block = self.block(items)
        lock = self.certificate(PREPARE, block)
        prepared = self.vote(PREPARE, block, 0)
        self.turns.append([ItemRecord(self.symbol, item) for item in items])
        self.turns.append([BlockRecord(self.symbol, block), self.votes(prepared=(prepared,))])
        self.turns.append([self.votes(prepared=(prepared,), lock=lock, committed=(self.vote(COMMIT, block, 0),))])
        self.fc = self.certificate(COMMIT, block)
        self.turns.append([FinalRecord(self.symbol, block, self.fc), self.votes(prepared=(prepared,))])
        self.height, self.tip = block.height, block.id

    def leave_open(self) -> None:
        """What a busy peer has above its chain: a locked block, a full vote state, pending ops, evidence."""
        included, pending, more = self.op("ann"), self.op("bea"), self.op("bea")
        evidence = forks("cid", 0, self.symbol)
        block = self.block([included])
        lock = self.certificate(PREPARE, block)
        tc = TermChange(2, tuple(self.timeout(2, seat) for seat in range(3)), self.fc, None)
        self.turns.append([ItemRecord(self.symbol, item) for item in (included, pending, evidence)])
        self.turns.append(
            [
                ItemRecord(self.symbol, more),
                BlockRecord(self.symbol, block),
                self.votes(
                    term=3,
                    timed_out=True,
                    timeout=self.timeout(3, 0),
                    timeout_fc=self.fc,
                    timeout_nc=lock,
                    high_tc=tc,
                    lock=lock,
                    prepared=(self.vote(PREPARE, block, 0),),
                    committed=(self.vote(COMMIT, block, 0),),
                    proposing=3,
                ),
            ]
        )

    def block(self, items: list[Item]) -> Block:
        return make_block(
            chain_id=CHAIN,
            epoch=0,
            pair=self.symbol,
            height=self.height + 1,
            parent=self.tip,
            proposer=ME.public_key,
            created_term=0,
            time_ms=TIME_MS + self.height,
            op_ids=tuple(item.id for item in items),
            events_digest=digest(b"events", self.tip),
        )

    def vote(self, kind: int, block: Block, seat: int) -> Vote:
        key = MEMBERS[self.committee.key(seat)]
        signature = key.sign(DOMAIN_VOTE, CHAIN, self.committee.vote_body(kind, 0, block.height, block.id))
        return Vote(kind, 0, block.height, block.id, seat, signature)

    def certificate(self, kind: int, block: Block) -> Certificate:
        signers = tuple((seat, self.vote(kind, block, seat).signature) for seat in range(3))
        return Certificate(kind, 0, block.height, block.id, signers)

    def timeout(self, term: int, seat: int) -> Timeout:
        body = self.committee.timeout_body(term, self.height, self.tip, None, bytes(32))
        signature = MEMBERS[self.committee.key(seat)].sign(DOMAIN_TIMEOUT, CHAIN, body)
        return Timeout(term, self.height, self.tip, None, bytes(32), seat, signature)

    def votes(self, **parts: Any) -> VoteRecord:
        return VoteRecord(self.symbol, 0, VoteState(**parts).encode())


def turns(heights: int = 3, places: int = 2) -> list[list[object]]:
    """Commits of both pairs, interleaved."""
    stories = [Story(symbol, places) for symbol in PAIRS]
    for story in stories:
        for _ in range(heights):
            story.finalize()
        story.leave_open()
    return [a + b for a, b in zip(*(story.turns for story in stories), strict=True)]


def in_memory(committed: list[list[object]]) -> MemoryJournal:
    journal = MemoryJournal()
    for records in committed:
        journal.append(records)
        journal.sync()
    return journal


def create(folder: Path) -> SqliteJournal:
    return SqliteJournal.create(folder, journal_id="j", chain_id=CHAIN, public_key=ME.public_key)


def reopen(folder: Path) -> SqliteJournal:
    return SqliteJournal.open(folder, chain_id=CHAIN, public_key=ME.public_key)


def filled(folder: Path, committed: list[list[object]], *, folded: int = 0) -> SqliteJournal:
    """An open journal; its first ``folded`` commits are in the database file, the others in the log."""
    journal = create(folder)
    for number, records in enumerate(committed):
        if number == folded and folded:
            journal.close()
            journal = reopen(folder)
        journal.commit(records)
    return journal


def snapshot(source: Path, target: Path) -> Path:
    """The files as a killed process leaves them: what it knew in memory (the log's index) is gone."""
    target.mkdir(parents=True)
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    return target


def dump(stored: dict[str, StoredPair]) -> dict[str, Any]:
    """Everything in what a journal loads, comparable to the last byte."""
    return {
        name: (
            [(block.raw, fc.encode(), [item.encode() for item in items]) for block, fc, items in pair.chain],
            sorted(block.raw for block in pair.blocks),
            None if pair.votes is None else pair.votes.encode(),
            [item.encode() for item in pair.pending],
        )
        for name, pair in stored.items()
    }


def load(folder: Path) -> dict[str, Any]:
    """Open, load, close."""
    journal = reopen(folder)
    try:
        return dump(journal.load())
    finally:
        journal.close()


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process that runs some code; ``sys.argv[1:]`` are the arguments. Kill it when done."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
