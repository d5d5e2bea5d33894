"""One of everything that is ever encoded, made of fixed keys."""

from typing import Any

from consensus.kit import SYMBOL, Bench, buy, identity, sell

from gossipbook import client_messages as q
from gossipbook.consensus import messages as c
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.records import BlockRecord, FinalRecord, ItemRecord, VoteRecord
from gossipbook.crdt import messages as r
from gossipbook.crdt.author_log import FrontierEntry
from gossipbook.crdt.op import Evidence, Op, sign_op
from gossipbook.gossip import messages as g
from gossipbook.ids import digest
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    Cancel,
    CancelAll,
    JoinGroup,
    Lease,
    PlaceNamed,
    PlaceSpecial,
    SelfTrade,
    SetState,
)
from gossipbook.wire.handshake import Handshake, Hello, Role
from gossipbook.wire.link_messages import Ping, Pong

CHAIN = digest(b"a chain")
SOME = tuple(digest(b"sample", bytes([i])) for i in range(4))
ALICE, BOB = identity("alice"), identity("bob")


def an_op(seq: int = 0, price: int = 100) -> Op:
    commands = [buy(1, price), sell(2), Cancel(1), Amend(2, 0, 3, 1), CancelAll(2)]
    return sign_op(ALICE, CHAIN, SYMBOL, seq, bytes(32), commands, expiry_ms=1_700_000_000_000)


def a_later_op() -> Op:
    """One of version 2, with every command that only it may hold."""
    special = PlaceSpecial(1, 1, 4, 100, 50, 2, 0, 1, 1_700_000_000_000, 10, 0, 101)
    groups = (JoinGroup(BOB.public_key), JoinGroup(b""), AdmitToGroup(BOB.public_key, 1))
    commands = [special, Lease(60_000), SetState(5), *groups, buy(2)]
    return sign_op(ALICE, CHAIN, SYMBOL, 7, SOME[0], commands)


def the_latest_op() -> Op:
    """One of version 4: orders with a text of their author's own, and one that may trade with its author's others."""
    named = PlaceNamed(1, 1, 4, 100, 50, 2, 0, 1, 1_700_000_000_000, 10, 0, 101, "my order 1 ~")
    allowing = PlaceNamed(2, 2, 1, 100, 5, 1, self_trade=SelfTrade.ALLOW)
    return sign_op(ALICE, CHAIN, SYMBOL, 8, SOME[0], [named, allowing, Cancel(1)])


def some_evidence() -> Evidence:
    return Evidence(*sorted((an_op(0, 100), an_op(0, 101)), key=lambda op: op.id))


def a_bench() -> Bench:
    bench = Bench("b")
    bench.op("o1", "alice", buy(1))
    bench.op("o2", "bob", sell(1, 101))
    bench.block("b1", ["o1"])
    bench.block("b2", ["o2"], parent="b1")
    return bench


def messages() -> dict[str, Any]:
    """A message of every kind, by name; some kinds more than once."""
    bench = a_bench()
    nc, fc = bench.certificate(PREPARE, "b2", 0), bench.certificate(COMMIT, "b1", 0)
    tc = bench.term_change(0, {"a": {"fin": "b1", "lock": "0:b2"}, "b": {}, "d": {"fin": "b1"}})
    vote = bench.vote(PREPARE, "b1", 0, "a")
    timeout = bench.timeout(3, "c", fin="b1", lock="0:b2")
    block = bench.blocks["b2"].raw
    entry = FrontierEntry(ALICE.public_key, 7, SOME[0], True)
    event = (3, 1, 100, 5, ALICE.public_key, 1, BOB.public_key, 2, 1)
    return {
        "Ping": Ping(1),
        "Pong": Pong(2**63 - 1),
        "Subscribe": g.Subscribe((SYMBOL, "OIL/USD")),
        "Graft": g.Graft(SYMBOL),
        "Prune": g.Prune(SYMBOL, 60),
        "IHave": g.IHave(SYMBOL, SOME),
        "IWant": g.IWant(SOME[:1]),
        "Choke": g.Choke(SYMBOL, ALICE.public_key, True),
        "Unchoke": g.Unchoke(SYMBOL, ALICE.public_key),
        "Unchoke.all": g.Unchoke(SYMBOL, None),
        "Push": g.Push(SYMBOL, b"payload"),
        "Propose": bench.proposal("b2", 1, tc=tc, fc=fc),
        "Propose.first": bench.proposal("b1", 0),
        "CastVote": c.CastVote(SYMBOL, 0, vote),
        "GiveUp": c.GiveUp(SYMBOL, 0, timeout.timeout, timeout.fc, timeout.nc, SOME),
        "GiveUp.bare": bench.timeout(0, "a"),
        "Proof": c.Proof(SYMBOL, 0, nc),
        "Proof.TermChange": c.Proof(SYMBOL, 0, tc),
        "Status": c.Status(SYMBOL, 0, 2, SOME[0], 5, SOME[1], True),
        "Sync": c.Sync(SYMBOL, 0, 3),
        "FinalizedBlock": c.FinalizedBlock(SYMBOL, 0, block, fc, (an_op(), some_evidence())),
        "Fetch": c.Fetch(SYMBOL, SOME),
        "Bodies": c.Bodies(SYMBOL, (some_evidence(), an_op())),
        "FetchBlock": c.FetchBlock(SYMBOL, 0, SOME[2]),
        "BlockBody": c.BlockBody(SYMBOL, 0, block),
        "AskVotes": c.AskVotes(SYMBOL, 0),
        "OwnVotes": c.OwnVotes(SYMBOL, 0, (vote,), timeout.timeout),
        "Frontier": r.Frontier(SYMBOL, b"", ALICE.public_key, (entry,), False),
        "AskHeld": r.AskHeld(SYMBOL, SOME),
        "Held": r.Held(SYMBOL, SOME),
        "Submit": q.Submit(an_op()),
        "Ack": q.Ack(SYMBOL, SOME[0], q.AckLevel.RELAYED, 0, ""),
        "Watch": q.Watch(SYMBOL),
        "PairEvents": q.PairEvents(SYMBOL, 1, SOME[0], 1_700_000_000_000, (event,), True),
        "Query": q.Query(1, "book", (SYMBOL, "10")),
        "Answer": q.Answer(1, True, b"{}"),
        "AskAuthor": q.AskAuthor(SYMBOL, ALICE.public_key, 3),
        "AuthorWord": q.AuthorWord(
            SYMBOL, ALICE.public_key, 2, True, 1, 2, an_op(), block, fc, some_evidence(), (an_op(1),), False
        ),
        "AuthorWord.unknown": q.AuthorWord(SYMBOL, ALICE.public_key, 0, False, 0, 0, None, b"", None, None, (), False),
        "WatchProven": q.WatchProven(SYMBOL),
        "AskBlock": q.AskBlock(SYMBOL, 2),
        "ProvenBlock": q.ProvenBlock(SYMBOL, 2, 0, block, fc, SOME[0], (event,), True),
        "ProvenBlock.part": q.ProvenBlock(SYMBOL, 2, 1, b"", None, bytes(32), (event,), True),
        "PreparedPart": q.PreparedPart(SYMBOL, 2, 0, block, nc, SOME[0], (event,), True),
        "PreparedPart.part": q.PreparedPart(SYMBOL, 2, 1, b"", None, bytes(32), (event,), True),
        "Follow": q.Follow(SYMBOL),
        "Unfollow": q.Unfollow(SYMBOL),
        "BookPart": q.BookPart(
            SYMBOL, 2, SOME[0], 1_700_000_000_000, 9, 101, 5, 0, ((1, ALICE.public_key, 1, 1, 100, 5),), True
        ),
        "BookMark": q.BookMark(SYMBOL, 3, 9, 12, 3_310_070_434, None, None),
        "BookMark.digest": q.BookMark(SYMBOL, 2, 9, 9, 0, SOME[1], SOME[2]),
        "FeedEnded": q.FeedEnded(SYMBOL, q.LAGGED),
    }


def records() -> dict[str, object]:
    """One of each record that a journal keeps."""
    bench = a_bench()
    bench.hold("o1")
    bench.deliver("a", bench.proposal("b1", 0))
    bench.prepare("b1", 0, "ac")
    bench.advance(1_000)
    votes = next(record for record in reversed(bench.journal) if isinstance(record, VoteRecord))
    return {
        "ItemRecord": ItemRecord(SYMBOL, an_op()),
        "ItemRecord.Evidence": ItemRecord(SYMBOL, some_evidence()),
        "BlockRecord": BlockRecord(SYMBOL, bench.blocks["b1"]),
        "FinalRecord": FinalRecord(SYMBOL, bench.blocks["b1"], bench.certificate(COMMIT, "b1", 0)),
        "VoteRecord": votes,
    }


def handshake(*speaks: str) -> tuple[Hello, bytes, bytes]:
    """A hello of a build with such features, and both sides' signatures over one channel."""
    where, binding = ("10.0.0.1:7000",), SOME[3]
    dialler = Handshake(ALICE, CHAIN, dialled=True, nonce=SOME[0], addresses=where, binding=binding, speaks=speaks)
    listener = Handshake(BOB, CHAIN, dialled=False, nonce=SOME[1], role=Role.PEER, binding=binding, speaks=speaks)
    first, second = dialler.answer(listener.hello()), listener.answer(dialler.hello())
    return listener.finish(first), first, second
