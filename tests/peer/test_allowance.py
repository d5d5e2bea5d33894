"""What links may ask for: rates by kind, and few newcomers from a stranger's link."""

import random
from pathlib import Path

import pytest
from consensus.kit import SYMBOL, Bench, buy, identity, network

from gossipbook import client_messages as q
from gossipbook.cli.operate.config import FileConfig
from gossipbook.consensus.messages import Bodies, Fetch, Status
from gossipbook.crdt.inserted import Inserted
from gossipbook.effects import Now, Send
from gossipbook.errors import ConfigError
from gossipbook.gossip.messages import Push
from gossipbook.identity import Identity
from gossipbook.peer.allowance import (
    NEWCOMERS_BURST,
    NEWCOMERS_PER_S,
    OWN_NEWCOMERS_OF_ALL_PER_S,
    RATES,
    STRANGERS_NEWCOMERS_BURST,
    STRANGERS_NEWCOMERS_PER_S,
    Allowance,
    refusal_of,
)
from gossipbook.peer.events import LOCAL, LinkDown, LinkUp, Received
from gossipbook.peer.peer import Peer
from gossipbook.refusals import Refusals, Scope
from gossipbook.wire.codec import LAYOUTS, encode_message
from gossipbook.wire.handshake import Role
from gossipbook.wire.link_messages import Ping, Pong

MEMBER, STRANGER, OTHER = b"m" * 20, b"s" * 20, b"o" * 20
STATUS = Status(SYMBOL, 0, 0, bytes(32), 0, bytes(32), True)
ANSWERS = {
    *(q.Ack, q.PairEvents, q.Answer, q.AuthorWord, q.ProvenBlock, q.PreparedPart),
    *(q.BookPart, q.BookMark, q.FeedEnded, Ping, Pong),
}
AT_ONCE = NEWCOMERS_BURST


def at(ms: int) -> Now:
    return Now(1_700_000_000_000 + ms, ms)


def an_allowance(pairs: int = 1) -> Allowance:
    return Allowance({MEMBER}, pairs, Refusals())


def taken(allowance: Allowance, link: bytes, message: object, times: int, ms: int = 0) -> int:
    return sum(allowance.take(link, message, at(ms)) for _ in range(times))


def test_every_message_that_a_peer_takes_has_a_rate() -> None:
    assert set(RATES) == set(LAYOUTS) - ANSWERS


@pytest.mark.parametrize("pairs", [1, 3])
def test_a_kind_has_its_bucket_on_each_link(pairs: int) -> None:
    allowance, rate = an_allowance(pairs), RATES[Status]
    assert taken(allowance, MEMBER, STATUS, 1_000) == rate.burst * pairs
    assert taken(allowance, MEMBER, STATUS, 1_000, 1_000) == rate.per_s * pairs
    assert taken(allowance, MEMBER, Fetch(SYMBOL, ()), 5, 1_000) == 5, "another kind has its own"
    assert taken(allowance, STRANGER, STATUS, 5, 1_000) == 5, "so has another link"


def test_ids_are_what_is_counted() -> None:
    allowance, rate = an_allowance(), RATES[Fetch]
    page = Fetch(SYMBOL, tuple(bytes([i % 256]) * 32 for i in range(1_000)))
    assert taken(allowance, MEMBER, page, 100) == rate.burst // 1_000


def test_time_that_stands_still_or_goes_back_gives_nothing() -> None:
    allowance = an_allowance()
    taken(allowance, MEMBER, STATUS, 1_000, 5_000)
    assert taken(allowance, MEMBER, STATUS, 10, 5_000) == 0
    assert taken(allowance, MEMBER, STATUS, 10, 1_000) == 0
    assert taken(allowance, MEMBER, STATUS, 1_000, 1_001_000) == RATES[Status].burst


def test_a_link_that_is_gone_begins_anew() -> None:
    allowance = an_allowance()
    taken(allowance, STRANGER, STATUS, 1_000)
    assert taken(allowance, STRANGER, STATUS, 1) == 0
    allowance.link_down(STRANGER)
    assert taken(allowance, STRANGER, STATUS, 1) == 1


# -- newcomers -------------------------------------------------------------------------------------


def test_newcomers_of_a_strangers_link_are_few_and_of_others_not() -> None:
    allowance = an_allowance()
    assert brought(allowance, STRANGER, 0) == AT_ONCE
    assert brought(allowance, STRANGER, 60_000) == 60 * NEWCOMERS_PER_S
    assert all(allowance.take_newcomer(link, at(0)) for link in (MEMBER, LOCAL) for _ in range(1_000))


def test_a_client_whom_the_operator_knows_brings_as_many_as_it_likes() -> None:
    key = Identity(bytes(32)).public_key
    config = FileConfig(clients=(key.hex(),)).settings(Path()).peer
    peer = Peer(Bench("b").manifest, identity("watched"), rng=random.Random(1), config=config)
    known, other = b"a link of theirs", b"another's"
    for link, public_key in ((known, key), (other, bytes(32))):
        peer.handle(LinkUp(link, public_key, Role.CLIENT, False), at(0))
    assert all(peer.allowance.take_newcomer(known, at(0)) for _ in range(1_000))
    assert brought(peer.allowance, other, 0) == AT_ONCE
    peer.handle(LinkDown(known), at(0))
    assert brought(peer.allowance, known, 0) < 1_000
    with pytest.raises(ConfigError, match="clients: expected public keys of 64 hex digits, not 'abc'"):
        FileConfig(clients=("abc",)).settings(Path())


def test_strangers_together_bring_few_newcomers_and_yet_each_may_bring_one() -> None:
    """A flood of keys over many links is no more than one over a few, and keeps out nobody who comes to trade."""
    allowance = an_allowance()
    flood = [b"flood %d" % number for number in range(30)]
    assert sum(brought(allowance, link, 0) for link in flood) == STRANGERS_NEWCOMERS_BURST + len(flood)
    assert brought(allowance, STRANGER, 0) == 1
    passed = sum(allowance.take_newcomer(link, at(ms)) for ms in range(0, 60_000, 100) for link in flood)
    assert passed <= 60 * STRANGERS_NEWCOMERS_PER_S + len(flood)


def test_links_that_are_made_anew_bring_no_more() -> None:
    allowance = an_allowance()
    passed = 0
    for ms in range(0, 60_000, 10):
        passed += allowance.take_newcomer(b"link %d" % ms, at(ms))
        allowance.link_down(b"link %d" % ms)
    assert passed <= 60 * (STRANGERS_NEWCOMERS_PER_S + OWN_NEWCOMERS_OF_ALL_PER_S) + 60


def test_a_link_has_its_own_newcomer_again_after_a_while() -> None:
    allowance = an_allowance()
    brought(allowance, OTHER, 0)
    assert brought(allowance, OTHER, 60_000) >= 1


def test_what_a_link_was_refused_for_others_it_has_still() -> None:
    allowance = an_allowance()
    while allowance.take_newcomer(OTHER, at(0)):
        pass
    for ms in range(100):
        allowance.take_newcomer(STRANGER, at(ms))
    assert brought(allowance, STRANGER, 30_000) > 30 * NEWCOMERS_PER_S


def brought(allowance: Allowance, link: bytes, at_ms: int) -> int:
    """How many newcomers a link may bring at once."""
    return sum(allowance.take_newcomer(link, at(at_ms)) for _ in range(1_000))


class Stage:
    """A peer with a stranger's link."""

    def __init__(self) -> None:
        self.bench = Bench("b")
        self.peer = Peer(self.bench.manifest, identity("watched"), rng=random.Random(1))
        for link in (STRANGER, OTHER):
            self.peer.handle(LinkUp(link, identity(link.hex()).public_key, Role.PEER, False), at(0))

    def submitted(self, authors: int, *, start: int = 0) -> list[str]:
        """What a client hears that submits the first ops of so many keys."""
        client = STRANGER + b"0001"
        self.peer.handle(LinkUp(client, identity("client").public_key, Role.CLIENT, False), at(0))
        heard = []
        for number in range(start, start + authors):
            op = self.bench.op(f"o{number}", f"author {number}", buy(1))
            effects = self.peer.handle(Received(client, q.Submit(op)), at(0)) + self.peer.flush(at(0))
            acks = [e.message for e in effects if isinstance(e, Send) and isinstance(e.message, q.Ack)]
            heard.append(acks[0].reason if acks else "")
        return heard

    def pushed(self, authors: int) -> int:
        """How many pushed first ops of so many keys get into the pool."""
        pool = self.peer.pairs[SYMBOL].ops.bodies
        before = len(pool)
        for number in range(authors):
            op = self.bench.op(f"p{number}", f"pushed {number}", buy(1))
            push = Push(SYMBOL, encode_message(Bodies(SYMBOL, (op,))))
            self.peer.handle(Received(OTHER, push), at(0))
        return len(pool) - before


def test_a_client_with_many_keys_is_told_that_it_is_too_fast() -> None:
    heard = Stage().submitted(AT_ONCE + 20)
    assert heard == [""] * AT_ONCE + [Inserted.TOO_FAST.value] * 20


def test_a_link_that_pushes_many_keys_is_held_to_as_many() -> None:
    stage = Stage()
    assert stage.pushed(AT_ONCE + 20) == AT_ONCE
    assert stage.peer.refusals.of(Scope.OP)["of an unknown author, of whom strangers brought too many"] == 20


def test_an_author_counts_once() -> None:
    """Who is not in the table yet may send many ops, one after another."""
    stage, link = Stage(), OTHER
    for number in range(NEWCOMERS_BURST + 50):
        op = stage.bench.op(f"a{number}", "alice", buy(number + 1))
        stage.peer.handle(Received(link, Push(SYMBOL, encode_message(Bodies(SYMBOL, (op,))))), at(0))
    assert len(stage.peer.pairs[SYMBOL].ops.bodies) == NEWCOMERS_BURST + 50


def test_who_waits_for_an_answer_gets_one() -> None:
    manifest, _ = network()
    peer = Peer(manifest, identity("watched"), rng=random.Random(1))
    question = q.Query(7, "status", ())
    answers = [peer.refuse(STRANGER, question, at(0)) for _ in range(RATES[q.Query].burst + 1)]
    assert answers[0] is None
    (answer,) = answers[-1] or []
    assert isinstance(answer, Send)
    assert (answer.to, answer.message.number, answer.message.good) == ((STRANGER,), 7, False)  # type: ignore[attr-defined]
    assert refusal_of(STATUS) is None
    peer.handle(LinkDown(STRANGER), at(0))
    assert peer.refuse(STRANGER, question, at(0)) is None
