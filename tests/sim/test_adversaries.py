"""Every liar really lies, and the exchange bears it: the run is valid all the same."""

import random
from collections import Counter, defaultdict

import pytest

from gossipbook.audit.order import canonical_order
from gossipbook.audit.records import decode_op
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.messages import Bodies, CastVote, Fetch, Propose, Status
from gossipbook.crdt.op import Op
from gossipbook.gossip.messages import IHave
from gossipbook.scenario.orders import EQUIVOCATOR, author_identity
from gossipbook.scenario.parts import ADVERSARIES
from gossipbook.sim.adversaries.equivocating_author import HONEST_OPS
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host
from gossipbook.sim.run import SimulationResult

from .support import Tape, fault, opened, run_to, small, watched

AT_S = 1.0


def lied(kind: str, seed: int = 0, expect: str = "", **keys: object) -> tuple[SimulationResult, Exchange, Tape, Host]:
    """A valid run with a liar in it."""
    result, exchange, tape = watched(small(fault(kind, at_s=AT_S, **keys), expect, peers=5), seed)
    assert result.verdict == "valid", result.summary
    assert exchange.injector is not None
    hosts = exchange.injector.injected[0].hosts
    assert all(host.faulty for host in hosts)
    assert [host for host in exchange.roles.hosts if host.faulty] == hosts
    return result, exchange, tape, hosts[0] if hosts else exchange.roles.hosts[0]


def begun_us(exchange: Exchange) -> int:
    return exchange.opened_us + round(AT_S * 1e6)


def test_an_equivocating_leader_proposes_two_blocks_at_one_height_and_votes_for_both() -> None:
    _, exchange, tape, liar = lied("equivocating-leader")
    proposed: dict[tuple[int, int], dict[bytes, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    voted: dict[tuple[int, int, int], set[bytes]] = defaultdict(set)
    for host, to, message in tape.sent_by:
        if host is liar and isinstance(message, Propose):
            proposed[message.term, message.height][decode_block(message.block).id] |= set(to)
        if host is liar and isinstance(message, CastVote):
            voted[message.vote.kind, message.vote.term, message.vote.height].add(message.vote.block_id)
    two = [blocks for blocks in proposed.values() if len(blocks) == 2]
    assert two
    for blocks in two:
        first, second = blocks.values()
        assert not first & second, "to different members"
    assert any(len(ids) == 2 for ids in voted.values())
    check = exchange.verifier.good
    for propose in tape.messages(Propose, liar):
        committee = liar.peer.pairs[exchange.roles.symbol].committee  # type: ignore[union-attr]
        block_id = decode_block(propose.block).id
        assert check(committee.propose_check(propose.term, propose.height, block_id, propose.signature))


def test_a_silent_leader_proposes_nothing() -> None:
    result, exchange, tape, liar = lied("silent-leader", expect="term_changes = 1")
    assert liar is exchange.roles.members[0]
    assert result.term_changes >= 1
    by_liar = [e.block for _, _, e in tape.finals() if e.block.proposer == liar.identity.public_key]
    assert by_liar, "it led before it fell silent"
    last = max(block.height for block in by_liar)
    assert max(event.block.height for _, _, event in tape.finals()) > last + 3
    sent = [message.height for message in tape.messages(Propose, liar)]
    assert max(sent) <= last + 1
    assert tape.messages(CastVote, liar), "it votes for others"


def test_a_lie_ends_and_leaves_its_mark() -> None:
    exchange, _ = opened(small(fault("silent-leader", at_s=1, for_s=0.3), peers=5))
    liar = exchange.roles.members[0]
    run_to(exchange, 1.29)
    assert liar.behaviour is not None
    run_to(exchange, 1.31)
    assert liar.behaviour is None
    assert liar.faulty, "who lied once is held to nothing any more"


def test_a_censoring_leader_leaves_one_author_out() -> None:
    """None of its blocks has an op of the victim any more; under others' lead they are all certified."""
    result, exchange, tape, liar = lied("censoring-leader", seed=1, expect="term_changes = 1")
    assert result.term_changes >= 1
    victim = liar.behaviour.victim  # type: ignore[union-attr]
    assert victim is not None
    blocks = {e.block.height: (at, e) for at, _, e in reversed(tape.finals())}
    own = [
        e
        for at, e in blocks.values()
        if at > begun_us(exchange) + 100_000 and e.block.proposer == liar.identity.public_key
    ]
    assert own
    assert all(item.author != victim for e in own for item in e.items)
    late = [item for at, e in blocks.values() if at > begun_us(exchange) for item in e.items if item.author == victim]
    assert late


def test_a_front_runner_turns_the_order_round() -> None:
    text = small(fault("front-runner", at_s=AT_S), "term_changes = 1", peers=5, ops_per_s=40)
    result, exchange, tape = watched(text, 2)
    assert result.verdict == "valid", result.summary
    liar = exchange.roles.members[0]
    items = {item.id: item for _, _, event in tape.finals() for item in event.items}
    wrong = set()
    for message in tape.messages(Propose, liar):
        block = decode_block(message.block)
        ops = [items[op_id] for op_id in block.op_ids if isinstance(items.get(op_id), Op)]
        if len(ops) == len(block.op_ids) > 1:
            read = [decode_op(op.signed, op.signature) for op in ops]
            if [op.id for op in canonical_order(block.parent, read)] != list(block.op_ids):
                wrong.add(block.id)
    assert wrong
    assert not wrong & {event.block.id for _, _, event in tape.finals()}


def test_a_forger_forges_and_is_sent_away() -> None:
    _, exchange, tape, liar = lied("forger")
    keys = exchange.roles.seats[exchange.roles.symbol].keys
    committee = exchange.roles.members[0].peer.pairs[exchange.roles.symbol].committee  # type: ignore[union-attr]
    forged: Counter[str] = Counter(garbage=sum(host is liar for host, _ in tape.garbage))
    for host, _, message in tape.sent_by:
        if host is not liar:
            continue
        if isinstance(message, CastVote) and keys[message.vote.seat] != liar.identity.public_key:
            forged["vote"] += not exchange.verifier.good(message.vote.check(committee))
        if isinstance(getattr(message, "certificate", None), Certificate):
            forged["certificate"] += not message.certificate.valid(committee, exchange.verifier)
        if isinstance(message, Bodies):
            forged["op"] += sum(isinstance(i, Op) and not exchange.verifier.good(i.check()) for i in message.items)
    assert min(forged[what] for what in ("garbage", "vote", "certificate", "op")) >= 3, forged
    assert {link for _, link, _ in tape.closed} == {liar.peer_id}


def test_a_replayer_repeats_and_brings_what_is_foreign() -> None:
    _, exchange, tape, liar = lied("replayer")
    foreign = [
        op
        for message in tape.messages(Bodies, liar)
        for op in message.items
        if isinstance(op, Op) and op.chain_id != exchange.manifest.chain_id
    ]
    assert foreign
    assert all(exchange.verifier.good(op.check()) for op in foreign), "signed by its author, elsewhere"
    final = {item.id for _, _, event in tape.finals() for item in event.items}
    assert not final & {op.id for op in foreign}
    others = (
        [m for m in tape.messages(CastVote, liar) if m.vote.seat != exchange.roles.members.index(liar)]
        if (liar in exchange.roles.members)
        else tape.messages(CastVote, liar)
    )
    assert len(others) > len(set(others)) > 0, "others' votes, again and again"


def test_a_flooder_floods() -> None:
    _, exchange, tape, liar = lied("flooder", seed=1, who="follower", for_s=1.0)
    kinds = Counter(type(message) for host, _, message in tape.sent_by if host is liar)
    assert kinds[IHave] >= 20
    assert kinds[Fetch] >= 20
    authors = {op.author for m in tape.messages(Bodies, liar) for op in m.items if isinstance(op, Op)}
    known = {trader.identity.public_key for trader in exchange.traders.values()}
    assert len(authors - known) >= 20


def test_an_outdated_member_comes_back_with_less_than_it_had() -> None:
    _, _, tape, liar = lied("outdated-member")
    restarts = [at for at, host in tape.starts if host is liar]
    assert len(restarts) == 2
    told = [event.block.height for at, _, event in tape.finals(liar) if at < restarts[1]]
    again = [event.block.height for at, _, event in tape.finals(liar) if at > restarts[1]]
    assert again[0] <= told[-1], "it tells once more what it had forgotten"
    assert ("restored from an old copy") in {why for _, host, why in tape.crashes if host is liar}


def test_a_vote_withholder_withholds() -> None:
    _, exchange, tape, liar = lied("vote-withholder")
    counts = Counter(len(to) for host, to, m in tape.sent_by if host is liar and isinstance(m, CastVote))
    honest = exchange.roles.members[0] if liar is not exchange.roles.members[0] else exchange.roles.members[1]
    full = Counter(len(to) for host, to, m in tape.sent_by if host is honest and isinstance(m, CastVote))
    assert counts[0] + counts[1] + counts[2] > counts[3] / 2
    assert full[3] > 0.9 * sum(full.values())


def test_twins_are_two_processes_with_one_key() -> None:
    _, exchange, tape, liar = lied("twins")
    twin = liar.twin
    assert twin is not None
    assert twin.peer is not None is not liar.peer
    assert twin.peer_id == liar.peer_id
    assert twin.address != liar.address
    assert twin.faulty
    assert liar.audience is not None is not twin.audience
    others = {host.peer_id for host in exchange.roles.hosts if host is not liar}
    assert liar.audience | twin.audience == others
    assert not liar.audience & twin.audience
    for half in (liar, twin):
        assert [host for host, _, _ in tape.sent_by if host is half], "both talk"
        assert tape.finals(half), "and both hear"


def test_twins_contradict_each_other() -> None:
    """Somewhere among a few seeds the two halves sign different things for one place."""
    contradictions = 0
    for seed in range(6):
        text = small(
            fault("twins", at_s=0.5, who="leader") + fault("partition", at_s=0.6, for_s=2), peers=6, ops_per_s=20
        )
        result, exchange, tape = watched(text, seed)
        assert result.verdict == "valid", result.summary
        signed: dict[tuple[int, int, int], set[bytes]] = defaultdict(set)
        liar = exchange.injector.injected[0].hosts[0]  # type: ignore[union-attr]
        seat = exchange.roles.members.index(liar)
        for host, _, message in tape.sent_by:
            if host in (liar, liar.twin) and isinstance(message, CastVote) and message.vote.seat == seat:
                signed[message.vote.kind, message.vote.term, message.vote.height].add(message.vote.block_id)
        contradictions += any(len(ids) > 1 for ids in signed.values())
    assert contradictions > 0


def test_an_equivocating_author_forks_and_is_frozen_everywhere() -> None:
    _, exchange, _, _ = lied("equivocating-author")
    liar = author_identity(EQUIVOCATOR).public_key
    for host in exchange.roles.hosts:
        assert host.peer is not None
        pair = host.peer.pairs[exchange.roles.symbol]
        state = pair.certified.author(liar)
        assert state.frozen
        assert state.next_seq <= HONEST_OPS + 1
        book = pair.certified.engine.book
        live = [order for ladder in (book.bids, book.asks) for order in book.live_orders(ladder)]
        assert liar not in {order.author for order in live}, "its orders are gone"


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_a_liar_of_each_kind_is_bearable_with_real_signatures(kind: str) -> None:
    text = small(fault(kind, at_s=0.5, for_s=1), "term_changes = 0\nfills = 0", seconds=2)
    result, _, _ = watched(
        text.replace("peers = 4", "peers = 4\nsignatures = 'real'"), random.Random(kind).randrange(9)
    )
    assert result.verdict == "valid", result.summary


def test_a_push_withholder_pushes_nothing_and_a_late_one_does_later() -> None:
    pushed: dict[str, int] = {}
    for kind in ("push-withholder", "late-pusher"):
        result, exchange, tape = watched(small(fault(kind, at_s=0.0, who="follower"), peers=5), 0)
        assert result.verdict == "valid", result.summary
        (liar,) = (host for host in exchange.roles.hosts if host.faulty)
        assert tape.messages(Status, liar), "it takes part in everything else"
        several = [message for host, to, message in tape.sent_by if host is liar and len(to) > 1]
        pushed[kind] = sum(isinstance(message, Bodies) for message in several)  # who answers does so to one
    assert pushed["push-withholder"] == 0
    assert pushed["late-pusher"] > 0
