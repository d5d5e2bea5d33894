"""What a consensus message that came by gossip is worth to a member, and the id that it goes by."""

import hashlib
from typing import TypeAlias

from gossipbook.consensus.finality import final_id
from gossipbook.consensus.member import Member
from gossipbook.consensus.messages import Bodies, CastVote, FinalizedBlock, GiveUp, Propose

_PROPOSAL, _TIMEOUT = -1, -2  # beside the kinds of votes

Slot: TypeAlias = tuple[int, int, int, int]  # kind, seat, term, height
Gossiped: TypeAlias = CastVote | FinalizedBlock | GiveUp | Propose


def is_news(message: Gossiped, member: Member) -> bool:
    """Whether it is of a height or term that is not over here."""
    match message:
        case CastVote(_, _, vote):
            return vote.height > member.fin and vote.term >= member.ballot.term
        case FinalizedBlock():
            return message.fc.height > member.fin
        case GiveUp(_, _, timeout, _, _, _):
            return timeout.term >= member.ballot.term
        case Propose():
            return message.height > member.fin and message.term >= member.ballot.term


def relay_slot(message: Gossiped, member: Member) -> Slot | None:
    """The slot that a message takes when it is passed on; None if it is of too far a height or term for that.

    Each seat has one signature to give in each. Whoever is further behind asks for blocks, and needs no votes.
    """
    term, height = member.ballot.term + 1, member.fin + member.committee.depth + 1
    match message:
        case CastVote(_, _, vote) if vote.term <= term and vote.height <= height:
            return vote.kind, vote.seat, vote.term, vote.height
        case GiveUp(_, _, timeout, _, _, _) if timeout.term <= term:
            return _TIMEOUT, timeout.seat, timeout.term, 0
        case Propose() if message.term <= term and message.height <= height:
            return _PROPOSAL, member.committee.leader(message.term), message.term, message.height
        case _:
            return None


def is_spent(message: Gossiped, member: Member) -> bool:
    """Whether nothing in it can matter here any more.

    Who is behind gets help when it says so itself; a stale message that somebody passed on says nothing about them.
    """
    match message:
        case CastVote(_, _, vote):
            return vote.height <= member.fin
        case FinalizedBlock():
            return False  # A second final block at a height is to be noticed, however late.
        case GiveUp(_, _, timeout, _, _, _):
            return timeout.term < member.ballot.term and timeout.fin <= member.fin
        case Propose():
            in_flight = member.fin + member.committee.depth
            return message.height <= member.fin or (message.term < member.ballot.term and message.height <= in_flight)


def gossip_source(message: object) -> bytes | None:
    """Of whom a message on a pair's topic is: an op's author, nobody if it is a final block. None: it is too rare."""
    match message:
        case Bodies(_, items) if len(items) == 1:
            return items[0].author
        case FinalizedBlock():
            return b""
        case _:
            return None


def gossip_id(message: object) -> bytes | None:
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
