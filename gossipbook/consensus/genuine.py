"""Whether a message is genuine: the one place that says which signatures it rests on and what makes them count.

A driver asks :func:`signature_checks` beforehand, to verify on a thread; a core asks :func:`flaw_of` and decides. Both
read the same claims, so that neither can forget a part that the other looks at.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple, TypeAlias

from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote, proves_fin, proves_lock
from gossipbook.consensus.committee import COMMIT, Committee
from gossipbook.consensus.messages import (
    BlockBody,
    CastVote,
    ConsensusMessage,
    FinalizedBlock,
    GiveUp,
    OwnVotes,
    Proof,
    Propose,
)
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Evidence
from gossipbook.errors import DecodeError
from gossipbook.identity import SignatureCheck, Verifier

Part: TypeAlias = Vote | Certificate | TermChange
"""What a member may have no use for, and then need not check."""


class Culprit(Enum):
    """Who is to blame for a flaw."""

    SENDER = "whoever sent it, who was to check it before"
    NOBODY = "nobody: an honest peer may have sent it"


class Flaw(Enum):
    """What is not genuine about a message or an item in it. The value is its word in the ledger of refusals."""

    MALFORMED_BLOCK = "malformed block"
    FORGED_PROPOSAL = "forged proposal"
    FORGED_VOTE = "forged vote"
    FORGED_TIMEOUT = "forged timeout"
    INVALID_CERTIFICATE = "invalid certificate"
    OTHER_BLOCK = "certificate of another block"
    BODIES_ON_TOPIC = "bodies on a topic"
    FORGED_OP = "a forged op"
    FOREIGN_OP = "an op of another network or pair"
    LATER_OP = "an op of later rules than this network's"

    @property
    def culprit(self) -> Culprit:
        """Who is to blame."""
        return Culprit.NOBODY if self in (Flaw.FOREIGN_OP, Flaw.LATER_OP) else Culprit.SENDER


class _Claim(NamedTuple):
    """Something that a message says: good if its form is sound and all its signatures verify; else a flaw."""

    flaw: Flaw
    sound: bool
    checks: list[SignatureCheck]


def every_part(part: Part) -> bool:
    """Look at all of a message: for who passes it on answers for all of it."""
    return True


def flaw_of(
    message: ConsensusMessage,
    committee: Committee,
    verifier: Verifier,
    worth: Callable[[Part], bool] = every_part,
) -> Flaw | None:
    """What about a message is not genuine; None if every part of it that is worth a look is."""
    for claim in _claims(message, committee, worth):
        if not claim.sound or not all(verifier.good(check) for check in claim.checks):
            return claim.flaw
    return None


def signature_checks(
    message: ConsensusMessage, committee: Committee, worth: Callable[[Part], bool] = every_part
) -> list[SignatureCheck]:
    """The signatures that :func:`flaw_of` would verify."""
    return [check for claim in _claims(message, committee, worth) for check in claim.checks]


def item_flaw(item: Item, committee: Committee, rules_version: int, verifier: Verifier) -> Flaw | None:
    """What is not genuine about an op, or about the two ops of an equivocation evidence."""
    for op in (item.first, item.second) if isinstance(item, Evidence) else (item,):
        if op.chain_id != committee.chain_id or op.pair != committee.symbol:
            return Flaw.FOREIGN_OP
        if op.version > rules_version:
            return Flaw.LATER_OP
        if not verifier.good(op.check()):
            return Flaw.FORGED_OP
    return None


def _claims(message: ConsensusMessage, committee: Committee, worth: Callable[[Part], bool]) -> Iterable[_Claim]:
    match message:
        case CastVote(_, _, vote):
            return [_of_vote(vote, committee)] if worth(vote) else []
        case Proof(_, _, certificate):
            return [_of_certificate(certificate, committee)] if worth(certificate) else []
        case Propose():
            return _of_proposal(message, committee, worth)
        case GiveUp():
            return [_of_timeout(message.timeout, committee), *_of_backing(message, committee)]
        case FinalizedBlock():
            return _of_final(message, committee, worth)
        case BlockBody():
            return [_Claim(Flaw.MALFORMED_BLOCK, _decoded(message.block) is not None, [])]
        case OwnVotes(_, _, votes, own_timeout):
            own = [] if own_timeout is None else [_of_timeout(own_timeout, committee)]
            return [_of_vote(vote, committee) for vote in votes] + own
        case _:
            return []


def _of_vote(vote: Vote, committee: Committee) -> _Claim:
    seated = vote.seat < len(committee.seats)
    return _Claim(Flaw.FORGED_VOTE, seated, [vote.check(committee)] if seated else [])


def _of_timeout(timeout: Timeout, committee: Committee) -> _Claim:
    seated = timeout.seat < len(committee.seats) and timeout.fits(committee)
    return _Claim(Flaw.FORGED_TIMEOUT, seated, [timeout.check(committee)] if seated else [])


def _of_backing(message: GiveUp, committee: Committee) -> list[_Claim]:
    """The certificates that a TIMEOUT's claims rest on; one that nothing rests on does not belong there."""
    timeout = message.timeout
    proven = proves_fin(message.fc, timeout, committee) and proves_lock(message.nc, timeout, committee)
    checks = [check for part in (message.fc, message.nc) if part is not None for check in part.checks(committee)]
    return [_Claim(Flaw.FORGED_TIMEOUT, proven, checks)]


def _of_certificate(certificate: Certificate | TermChange, committee: Committee) -> _Claim:
    return _Claim(Flaw.INVALID_CERTIFICATE, certificate.sound(committee), certificate.checks(committee))


def _of_proposal(message: Propose, committee: Committee, worth: Callable[[Part], bool]) -> list[_Claim]:
    block = _decoded(message.block)
    if block is None:
        return [_Claim(Flaw.MALFORMED_BLOCK, False, [])]
    check = committee.propose_check(message.term, message.height, block.id, message.signature)
    claims = [_Claim(Flaw.FORGED_PROPOSAL, block.height == message.height, [check])]
    if message.tc is not None:  # It binds the proposal, news or not.
        claims.append(_of_certificate(message.tc, committee))
    if message.fc is not None and worth(message.fc):
        claims.append(_of_certificate(message.fc, committee))
    return claims


def _of_final(message: FinalizedBlock, committee: Committee, worth: Callable[[Part], bool]) -> list[_Claim]:
    block, fc = _decoded(message.block), message.fc
    if block is None:
        return [_Claim(Flaw.MALFORMED_BLOCK, False, [])]
    same = fc.kind == COMMIT and (fc.height, fc.block_id) == (block.height, block.id)
    return [
        _Claim(Flaw.OTHER_BLOCK, same, []),
        *([_of_certificate(fc, committee)] if worth(fc) else []),
    ]


def _decoded(raw: bytes) -> Block | None:
    try:
        return decode_block(raw)
    except DecodeError:
        return None
