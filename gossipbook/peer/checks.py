"""Which signatures a message carries that are worth a look, so that a driver can verify them on a thread."""

from typing import Any

from gossipbook.client_messages import Submit
from gossipbook.consensus.messages import (
    Bodies,
    CastVote,
    FinalizedBlock,
    GiveUp,
    OwnVotes,
    Proof,
    Propose,
)
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Evidence
from gossipbook.identity import SignatureCheck
from gossipbook.ids import digest
from gossipbook.peer.pair_replica import PairReplica


def signature_checks(message: Any, pair: PairReplica) -> list[SignatureCheck]:
    """The signatures that handling this message now would verify; fewer or more does no harm."""
    replica, committee = pair.replica, pair.committee
    match message:
        case Submit(op):
            return [] if op.id in pair.ops.bodies else [op.check()]
        case Bodies(_, items):
            return _of_items(items, pair)
        case CastVote(_, _, vote):
            worth = vote.height > replica.fin and vote.seat < len(committee.seats)
            return [vote.check(committee)] if worth else []
        case Propose():
            block_id = digest(b"block", message.block)
            checks = [committee.propose_check(message.term, message.height, block_id, message.signature)]
            for certificate in (message.tc, message.fc):
                if certificate is not None and replica.member.certificates.news(
                    certificate, replica.member.ballot.term
                ):
                    checks += certificate.checks(committee)
            return checks
        case Proof(_, _, certificate):
            return (
                certificate.checks(committee)
                if replica.member.certificates.news(certificate, replica.member.ballot.term)
                else []
            )
        case GiveUp(_, _, timeout, fc, nc):
            checks = [timeout.check(committee)] if timeout.seat < len(committee.seats) else []
            for backing in (fc, nc):
                checks += backing.checks(committee) if backing is not None else []
            return checks
        case FinalizedBlock(_, _, _, fc, items):
            return (
                fc.checks(committee) if replica.member.certificates.news(fc, replica.member.ballot.term) else []
            ) + _of_items(items, pair)
        case OwnVotes(_, _, votes, own_timeout):
            seats = len(committee.seats)
            checks = [vote.check(committee) for vote in votes if vote.seat < seats]
            if own_timeout is not None and own_timeout.seat < seats:
                checks.append(own_timeout.check(committee))
            return checks
        case _:
            return []


def _of_items(items: tuple[Item, ...], pair: PairReplica) -> list[SignatureCheck]:
    checks: list[SignatureCheck] = []
    for item in items:
        if isinstance(item, Evidence):
            checks += item.checks()
        elif item.id not in pair.ops.bodies:
            checks.append(item.check())
    return checks
