"""Why an order is where it is: what a pair's replica knows of it beyond the finalized chain, in facts and in words."""

from dataclasses import dataclass
from typing import Any

from gossipbook.crdt.author_log import AuthorLog
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Op, life_of
from gossipbook.ids import OpId, PublicKey, short
from gossipbook.matching.ladder import RESTING
from gossipbook.peer.arrivals import Came
from gossipbook.peer.condition import PairCondition
from gossipbook.peer.events import is_peer_link
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.receipt.order import entering

PROPOSED_CAP = 8


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a resting order is: who of its price comes before it."""

    price_ticks: int
    open_lots: int
    orders_ahead: int
    lots_ahead: int


def pending_op(pair: PairReplica, author: PublicKey, client_id: int) -> Op | None:
    """The op that will enter an order, if it is held and not certified."""
    log = pair.ops.logs.get(author)
    held = [] if log is None else [op for seq in sorted(log.by_seq) for op in log.by_seq[seq].values()]
    return next((op for op in held if entering(op, client_id) is not None), None)


def queue_place(pair: PairReplica, author: PublicKey, client_id: int) -> QueuePlace | None:
    """Where an order rests; None if it does not."""
    with pair.replica.certified_view() as certified:
        order = certified.engine.book.find(author, client_id)
        if order is None or order.place != RESTING:
            return None
        ahead = []
        for other in order.level.orders():
            if other is order:
                break
            ahead.append(other.open_lots)
        return QueuePlace(order.price_ticks, order.open_lots, len(ahead), sum(ahead))


def arrival(pair: PairReplica, op_id: OpId) -> dict[str, Any] | None:
    """When, how and from whom an op first came to this peer; None if that is not remembered."""
    found = pair.arrivals.of(op_id)
    if found is None:
        return None
    return {
        "time_ms": found.time_ms,
        "how": found.came.value,
        "from": found.link.hex() if is_peer_link(found.link) and found.came is not Came.CLIENT else "",
        "outcome": found.outcome,
        "stored_ms": found.stored_ms or None,
        "held_by": found.held_by,
    }


def proposals(pair: PairReplica, op_id: OpId) -> list[dict[str, Any]]:
    """The blocks held here that name an op and are not final."""
    committee = pair.committee
    return [
        {
            "height": block.height,
            "block_id": block.id.hex(),
            "time_ms": block.time_ms,
            "proposer": committee.seats[committee.leader(block.created_term)].name,
            "term": block.created_term,
        }
        for block in pair.replica.member.chain.held()
        if op_id in block.op_ids
    ][:PROPOSED_CAP]


def waiting_for(pair: PairReplica, op: Op) -> list[str]:
    """Why a pending op is not certified yet, in words; the most serious reason first."""
    reasons = [_about_author(pair, op), _about_pair(pair)]
    log = pair.ops.logs.get(op.author)
    if log is not None and not pair.ops.in_main(op):
        reasons.append(_about_gap(pair, op, log))
    elif log is not None:
        before = op.seq - log.main[0].seq
        if before:
            reasons.append(f"{_many(before, 'earlier op')} of its author first")
        others = pair.ops.in_chains - len(log.main)
        if others:
            reasons.append(f"{_many(others, 'op')} of other authors as well")
    if 0 < op.expiry_ms < pair.certified.time_ms:
        reasons.append("the op has expired: certified now, the order would be refused")
    found = [reason for reason in reasons if reason]
    return found or ["nothing stands in its way: the next block can take it"]


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _about_author(pair: PairReplica, op: Op) -> str:
    certified, log = pair.certified, pair.ops.logs.get(op.author)
    if certified.author(op.author).frozen:
        return "its author is frozen: two different ops with one sequence number were proven"
    proof = None if log is None else log.proof()
    if log is not None and proof is not None:
        what = "and will be frozen" if log.evidence is not None else "and no block takes either while both are here"
        return f"its author signed two different ops with sequence number {proof.first.seq}, {what}"
    if not certified.admitted(op.author):
        return "its author is not admitted to this network"
    if certified.needs_place(op.author) and not certified.places:
        return "the pair's author table is full: it takes nobody new"
    return ""


def _about_pair(pair: PairReplica) -> str:
    state, absent = pair.state()
    quorum = pair.committee.quorum
    match state:
        case PairCondition.NO_QUORUM:
            here, names = quorum.n - len(absent), ", ".join(absent)
            return f"no quorum: {here} of {quorum.n} seats are here and {quorum.q} are needed; absent: {names}"
        case PairCondition.SYNCING:
            return f"this peer is catching up: it is at height {pair.replica.fin:,}"
        case PairCondition.FAULTY:
            return "the pair stopped here: a certificate contradicts what this peer executed"
        case PairCondition.FROZEN:
            return "the pair stopped: two final certificates at one height"
        case _:
            return ""


def _about_gap(pair: PairReplica, op: Op, log: AuthorLog) -> str:
    """Why an op is parked: what is missing before it."""
    state, life = pair.certified.author(op.author), life_of(op.seq)
    fork = log.first_fork(life)
    if fork is not None and op.seq >= fork:
        return f"it is at or behind a fork of its author's ops at sequence number {fork}"
    is_known = op.author in pair.certified.authors
    due, head = (state.next_seq, state.head) if is_known else (life * LIFE, GENESIS_PREV)
    if log.main:
        due, head = log.main[-1].seq + 1, log.main[-1].id
    if life_of(due) != life:
        return f"it is parked: its author's life {life_of(due)} comes before life {life}, to which the op belongs"
    held = sorted(seq for seq in log.by_seq if due <= seq < op.seq)  # Few, however large the numbers are.
    first, last, missing = due, op.seq - 1, op.seq - due - len(held)
    if missing > 0:
        for seq in held:
            first += seq == first
        for seq in reversed(held):
            last -= seq == last
        span = f"{first}" if missing == 1 else f"{first} to {last} ({missing} of them)"
        return f"it is parked: its author's op with sequence number {span} has not come"
    return f"it is parked: an op from {due} on does not follow the one before, {short(head)}…"
