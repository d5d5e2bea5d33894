"""Replays a peer's trace and holds each message that left against what a power cut at that moment would leave.

Upon a sync that changed what is durable: open the journal's files as the power cut would leave them, and note what
they prove. Upon a send: look up what the message needs to be true. A proof counts from the sync that made it
durable, and a send from the moment it began.

A vote may be proven by its block being final: whoever knows that votes at its height no more, and a member whose vote
makes it so, in the turn in which it casts it, keeps the certificate in the vote's stead.
"""

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durability.disk import Disk, write_files
from durability.tap import Tap
from durability.trace import Began, read_trace
from gossipbook.client_messages import Ack, AckLevel, PairEvents, ProvenBlock
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import Certificate, TermChange
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.consensus.messages import CastVote, FinalizedBlock, GiveUp, Proof, Propose
from gossipbook.consensus.records import VoteState
from gossipbook.crdt.messages import Held
from gossipbook.crdt.op import GENESIS_PREV, decode_op
from gossipbook.errors import GossipbookError
from gossipbook.gossip.messages import Push
from gossipbook.manifest import Manifest
from gossipbook.storage.rows import VoteRow, read_votes
from gossipbook.storage.sqlite import SqliteJournal
from gossipbook.wire.codec import decode_message

SAMPLE_EVERY = 8  # syncs between two images that are opened the way a peer opens its journal

Fact = tuple[Any, ...]
Claim = tuple[str, tuple[Fact, ...]]  # what kind of message, and facts of which it needs one


@dataclass
class Verdict:
    """How many claims of each kind were checked, and those that had nothing durable behind them."""

    checked: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    syncs: int = 0
    restarts: int = 0  # of the write-ahead log
    reopened: int = 0


class _Member:
    """Which facts a message of this peer's own claims."""

    def __init__(self, manifest: Manifest, public_key: bytes) -> None:
        committees = {s: Committee.of(manifest, manifest.chain_id, s) for s in manifest.symbols()}
        self._seats = {symbol: committee.seat_of(public_key) for symbol, committee in committees.items()}
        self._n = manifest.committee_size

    def claims(self, message: Any) -> Iterator[Claim]:
        match message:
            case Push(_, payload):
                yield from self.claims(decode_message(payload))
            case CastVote(pair, _, vote) if vote.seat == self._seats[pair]:
                final = ("final", pair, vote.height, vote.block_id)  # After which nobody votes there again.
                yield {PREPARE: "PREPARE", COMMIT: "COMMIT"}[vote.kind], (("signed", vote.signature), final)
            case GiveUp(pair, _, timeout, fc, nc, _):
                if timeout.seat == self._seats[pair]:
                    yield "TIMEOUT", (("signed", timeout.signature),)
                yield from self._within(pair, fc, nc)
            case Propose(pair, _, term, _, _, tc, fc, _):
                if term % self._n == self._seats[pair]:
                    yield "PROPOSE", (("proposing", pair, term),)
                yield from self._within(pair, tc, fc)
            case Proof(pair, _, certificate):
                yield from self._within(pair, certificate)
            case FinalizedBlock(pair, _, _, fc, _):
                yield from self._within(pair, fc)
            case Ack(pair, op_id, level, height, _) if level >= AckLevel.DURABLE:
                yield f"ack {AckLevel(level).name.lower()}", (("held", op_id),)
                if level == AckLevel.CERTIFIED:
                    yield "ack certified", (("included", pair, height, op_id),)
            case Held(_, ids):
                for op_id in ids:
                    yield "HELD", (("held", op_id),)
            case PairEvents(pair, height, block_id):
                yield "events", (("final", pair, height, block_id),)
            case ProvenBlock(pair, height, 0, block):
                yield "events", (("final", pair, height, decode_block(block).id),)
            case _:
                pass

    def _within(self, pair: str, *certificates: Certificate | TermChange | None) -> Iterator[Claim]:
        """Own signatures inside certificates that the peer passes on."""
        for certificate in certificates:
            if isinstance(certificate, TermChange):
                for timeout in certificate.timeouts:
                    if timeout.seat == self._seats[pair]:
                        yield "in a certificate", (("signed", timeout.signature),)
                yield from self._within(pair, certificate.fc, certificate.nc)
            elif certificate is not None:
                final = ("final", pair, certificate.height, certificate.block_id)
                for seat, signature in certificate.signers:
                    if seat == self._seats[pair]:
                        yield "in a certificate", (("signed", signature), final)


def check_trace(trace: Path, data: Path, manifest: Manifest, public_key: bytes) -> Verdict:
    """Check every send of a traced peer whose journal is in the folder ``data``."""
    verdict = Verdict()
    disk, tap, member = Disk(data), Tap(), _Member(manifest, public_key)
    proven: dict[tuple[Any, ...], int] = {}  # fact -> the sync that made it durable
    began: dict[int, int] = {}
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder)

        def reopen(files: dict[str, bytes]) -> None:
            verdict.reopened += 1
            write_files(files, image)
            verdict.violations += _reopen(image, manifest, public_key, proven)

        for event in read_trace(trace):
            if disk.follow(event):
                write_files(disk.power_cut(), image)
                facts = _facts(image)
                verdict.violations += [
                    f"lost by a power cut: {_show(f)}" for f in proven if _stays(f) and f not in facts
                ]
                for fact in facts:
                    proven.setdefault(fact, disk.syncs)
                if disk.syncs % SAMPLE_EVERY == 0 and proven:
                    reopen(disk.power_cut())
                    reopen(disk.torn(rng))
            if isinstance(event, Began):
                began[id(event.call)] = disk.syncs
                continue
            at = began.pop(id(event.call))
            for message in tap.follow(event):
                for kind, facts in member.claims(message):
                    verdict.checked[kind] += 1
                    if all(proven.get(fact, at + 1) > at for fact in facts):
                        verdict.violations.append(f"{kind} left before it was durable: {_show(facts[0])}")
        if proven:
            reopen(disk.power_cut())
    verdict.syncs, verdict.restarts = disk.syncs, disk.restarts
    return verdict


def _stays(fact: tuple[Any, ...]) -> bool:
    """Whether a journal never drops what says so: vote states are replaced, everything else is kept."""
    return fact[0] in ("held", "final", "included")


def _show(fact: tuple[Any, ...]) -> str:
    return " ".join(part.hex()[:12] if isinstance(part, bytes) else str(part) for part in fact)


def _facts(image: Path) -> set[tuple[Any, ...]]:
    """What the files prove, read as SQLite recovers them. Nothing before the tables are there."""
    if not (image / "journal.db").exists():
        return set()
    connection = sqlite3.connect(image / "journal.db", isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        return _read_facts(connection.execute) if "votes" in tables else set()
    finally:
        connection.close()


def _read_facts(select: Callable[[str], sqlite3.Cursor]) -> set[tuple[Any, ...]]:
    facts: set[tuple[Any, ...]] = set()
    held = {op_id: body for op_id, evidence, body in select("SELECT id, evidence, body FROM items") if not evidence}
    ops = {op_id: decode_op(body) for op_id, body in held.items()}
    for op_id, op in ops.items():  # An ack and a HELD answer for all ancestors as well.
        while op is not None and op.prev != GENESIS_PREV:
            op = ops.get(op.prev)
        if op is not None:
            facts.add(("held", op_id))
    named: dict[bytes, tuple[bytes, ...]] = {}
    parents: dict[bytes, bytes] = {}  # of blocks that are not final
    for pair, height, block_id, body in select("SELECT pair, height, id, body FROM finals"):
        named[block_id] = decode_block(body).op_ids
        facts.add(("final", pair, height, block_id))
        facts.update(("included", pair, height, op_id) for op_id in named[block_id])
    for block_id, body in select("SELECT id, body FROM blocks"):
        if block_id not in named:
            parents[block_id] = decode_block(body).parent
        named[block_id] = decode_block(body).op_ids
    genesis = {decode_block(body).parent for (body,) in select("SELECT body FROM blocks WHERE height = 1")}
    for pair, epoch, state, checksum in select("SELECT pair, epoch, state, checksum FROM votes"):
        votes = read_votes(VoteRow(pair, epoch, state, checksum))

        def whole(block_id: bytes) -> bool:
            """Whether a block and its ancestors that are not final are there, with their ops."""
            while block_id in named and all(op_id in ops for op_id in named[block_id]):
                if block_id not in parents:
                    return True
                block_id = parents[block_id]
            return block_id in genesis

        facts.update(("signed", signature) for signature in _signatures(votes, whole))
        if votes.proposing is not None:
            facts.add(("proposing", pair, votes.proposing))
    return facts


def _signatures(votes: VoteState, whole: Callable[[bytes], bool]) -> Iterator[bytes]:
    """Own signatures that may leave, each with all that must be durable beside it."""
    yield from (vote.signature for vote in votes.prepared if whole(vote.block_id))
    lock = votes.lock
    for vote in votes.committed:
        is_locked = lock is None or (lock.term == vote.term and lock.height >= vote.height)  # None once it is final.
        if is_locked and whole(vote.block_id):
            yield vote.signature
    if votes.timeout is not None and votes.timed_out:
        yield votes.timeout.signature
    if votes.high_tc is not None:  # Whoever entered the next term votes in that one no more.
        yield from (timeout.signature for timeout in votes.high_tc.timeouts)


def _reopen(image: Path, manifest: Manifest, public_key: bytes, proven: dict[tuple[Any, ...], int]) -> list[str]:
    """Start on an image as a peer does: it must take it, and everything that was proven must be there."""
    try:
        journal = SqliteJournal.open(image, chain_id=manifest.chain_id, public_key=public_key)
        stored = journal.load()
        journal.close()
    except GossipbookError as error:
        return [f"a journal after a power cut was refused: {error}"]
    held = {item.id for pair in stored.values() for item in pair.pending}
    held |= {item.id for pair in stored.values() for _, _, items in pair.chain for item in items}
    final = {(name, b.height, b.id) for name, pair in stored.items() for b, _, _ in pair.chain}
    lost = [f for f in proven if (f[0] == "held" and f[1] not in held) or (f[0] == "final" and f[1:] not in final)]
    return [f"lost by a power cut, though proven: {_show(fact)}" for fact in lost]
