"""Whether a consensus message that came by gossip is fit to be passed on: news, and genuine in every part.

A member that got a message directly may leave unread what it has no use for. Who passes one on answers for all of
it, or an honest relay would be blamed for what it did not look at.
"""

import hashlib

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import proves_fin, proves_lock
from gossipbook.consensus.committee import COMMIT, Committee
from gossipbook.consensus.finality import final_id
from gossipbook.consensus.messages import Bodies, CastVote, FinalizedBlock, GiveUp, Propose
from gossipbook.consensus.replica import Replica
from gossipbook.errors import DecodeError
from gossipbook.identity import Verifier

Judged = CastVote | FinalizedBlock | GiveUp | Propose


def is_news(message: Judged, replica: Replica) -> bool:
    """Whether it is of a height or term that is not over here."""
    match message:
        case CastVote(_, _, vote):
            return vote.height > replica.fin and vote.term >= replica.member.ballot.term
        case FinalizedBlock():
            return message.fc.height > replica.fin
        case GiveUp(_, _, timeout, _, _, _):
            return timeout.term >= replica.member.ballot.term
        case Propose():
            return message.height > replica.fin and message.term >= replica.member.ballot.term


def is_spent(message: Judged, replica: Replica) -> bool:
    """Whether nothing in it can matter here any more.

    Who is behind gets help when it says so itself; a stale message that somebody passed on says nothing about them.
    """
    match message:
        case CastVote(_, _, vote):
            return vote.height <= replica.fin
        case FinalizedBlock():
            return False  # A second final block at a height is to be noticed, however late.
        case GiveUp(_, _, timeout, _, _, _):
            return timeout.term < replica.member.ballot.term and timeout.fin <= replica.fin
        case Propose():
            return message.height <= replica.fin or (
                message.term < replica.member.ballot.term and message.height == replica.fin + 1
            )


def genuine_fault(message: Judged, committee: Committee, verifier: Verifier) -> str | None:
    """What about a message is not genuine; None if every part of it is."""
    match message:
        case CastVote(_, _, vote):
            good = vote.seat < len(committee.seats) and verifier.good(vote.check(committee))
            return None if good else "forged vote"
        case FinalizedBlock():
            return "bodies on a topic" if message.items else finality_fault(message, committee, verifier)
        case GiveUp(_, _, timeout, fc, nc, _):
            good = timeout.seat < len(committee.seats) and verifier.good(timeout.check(committee))
            good = good and (fc is None) == (timeout.fin == 0) and (nc is None) == (timeout.lock_term is None)
            backed = good and proves_fin(fc, timeout, committee, verifier)
            return None if backed and proves_lock(nc, timeout, committee, verifier) else "forged timeout"
        case Propose():
            return _proposal_fault(message, committee, verifier)


def finality_fault(message: FinalizedBlock, committee: Committee, verifier: Verifier) -> str | None:
    """What is wrong with a finalized block's certificate."""
    try:
        block = decode_block(message.block)
    except DecodeError:
        return "malformed FinalizedBlock"
    fc = message.fc
    if fc.kind != COMMIT or (fc.height, fc.block_id) != (block.height, block.id):
        return "certificate of another block"
    return None if fc.valid(committee, verifier) else "invalid certificate"


def _proposal_fault(message: Propose, committee: Committee, verifier: Verifier) -> str | None:
    try:
        block = decode_block(message.block)
    except DecodeError:
        return "malformed Propose"
    check = committee.propose_check(message.term, message.height, block.id, message.signature)
    if not verifier.good(check) or block.height != message.height:
        return "forged proposal"
    for part in (message.tc, message.fc):
        if part is not None and not part.valid(committee, verifier):
            return "invalid certificate"
    return None


def message_id(message: object) -> bytes | None:
    """The gossip id of a message on a pair's topic; None for what does not belong there."""
    match message:
        case Bodies(_, items) if len(items) == 1:
            return items[0].id
        case FinalizedBlock():
            return final_id(message.pair, message.fc.height, message.fc.block_id)
        case CastVote():
            return hashlib.sha256(message.vote.signature).digest()
        case GiveUp():  # What is unsigned beside a TIMEOUT makes no other message of it.
            return hashlib.sha256(message.timeout.signature).digest()
        case Propose():
            return hashlib.sha256(message.signature).digest()
        case _:
            return None
