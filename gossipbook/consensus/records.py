"""What the consensus core makes durable, and what it tells this peer's subscribers."""

from dataclasses import dataclass
from typing import Any

from gossipbook import cbor
from gossipbook.consensus.block import Block
from gossipbook.consensus.certificate import (
    Certificate,
    TermChange,
    Timeout,
    Vote,
    decode_optional_certificate,
    decode_term_change,
    decode_timeout,
    decode_vote,
)
from gossipbook.consensus.words import Halt
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Op
from gossipbook.errors import DecodeError
from gossipbook.ids import Digest
from gossipbook.limits import DEPTH_CAP
from gossipbook.matching.events import RawEvent

REASON_CAP = 256
OWN_VOTES_CAP = 2 * DEPTH_CAP + 2
HALT_CAP = 16


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An op or evidence that this peer answers for: it is held, with all its ancestors, or a block names it."""

    pair: str
    item: Item


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """A block that was proposed, prepared or locked here, not final yet."""

    pair: str
    block: Block


@dataclass(frozen=True, slots=True)
class FinalRecord:
    """A finalized block and its FC; its op bodies were recorded before."""

    pair: str
    block: Block
    fc: Certificate


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """The whole vote state of one seat, as one value: replaced, never merged."""

    pair: str
    epoch: int
    state: bytes


@dataclass(slots=True)
class VoteState:
    """What a member must never forget (I6).

    ``prepared`` and ``committed`` are its votes of the newest term that it cast some in, by height; those that a final
    height outdated may be missing. ``proposing``: the last term in which it may have proposed
    something. ``observer`` says why the seat may not be used any more, if so.
    """

    term: int = 0
    timed_out: bool = False
    timeout: Timeout | None = None
    timeout_fc: Certificate | None = None
    timeout_nc: Certificate | None = None
    high_tc: TermChange | None = None
    lock: Certificate | None = None
    prepared: tuple[Vote, ...] = ()
    committed: tuple[Vote, ...] = ()
    proposing: int | None = None
    halted: Halt = Halt.NONE
    observer: str = ""

    def encode(self) -> bytes:
        def opt(part: Any) -> Any:
            return None if part is None else part.encode()

        return cbor.encode(
            [
                self.term,
                self.timed_out,
                opt(self.timeout),
                opt(self.timeout_fc),
                opt(self.timeout_nc),
                opt(self.high_tc),
                opt(self.lock),
                [vote.encode() for vote in self.prepared],
                [vote.encode() for vote in self.committed],
                self.proposing,
                self.halted.value,
                self.observer,
            ]
        )

    @classmethod
    def decode(cls, raw: bytes) -> "VoteState":
        parts = cbor.decode_array(raw, 12)
        term, timed_out, timeout, fc, nc, tc, lock, prepared, committed, proposing, halted, observer = parts
        if type(timed_out) is not bool:
            raise DecodeError("vote state: timed_out is true or false")
        return cls(
            term=cbor.check_uint(term, "term"),
            timed_out=timed_out,
            timeout=None if timeout is None else decode_timeout(timeout),
            timeout_fc=decode_optional_certificate(fc),
            timeout_nc=decode_optional_certificate(nc),
            high_tc=None if tc is None else decode_term_change(tc),
            lock=decode_optional_certificate(lock),
            prepared=_decode_votes(prepared),
            committed=_decode_votes(committed),
            proposing=_decode_proposing(proposing),
            halted=_decode_halt(halted),
            observer=cbor.check_text(observer, "observer", REASON_CAP),
        )


def _decode_halt(raw: object) -> Halt:
    text = cbor.check_text(raw, "halted", HALT_CAP)
    if text not in tuple(Halt):
        raise DecodeError(f"vote state: {text!r} is no reason for a pair to stop")
    return Halt(text)


def _decode_votes(raw: object) -> tuple[Vote, ...]:
    """A member's votes of one kind; journals of the time when there was one at most have it bare, or none."""
    if raw is None:
        return ()
    votes = cbor.check_list(raw, "votes", OWN_VOTES_CAP)
    return (decode_vote(raw),) if votes and type(votes[0]) is int else tuple(decode_vote(vote) for vote in votes)


def _decode_proposing(raw: object) -> int | None:
    """The term; journals of the time when each proposal was recorded have the newest one."""
    term = raw[0] if type(raw) is list and len(raw) == 4 else raw
    return None if term is None else cbor.check_uint(term, "proposing")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A block was prepared by a quorum and executed here: it will be final, unless its leader's term ends first.

    ``previous``: the events digest before it.
    """

    pair: str
    block: Block
    nc: Certificate
    previous: Digest
    events: tuple[RawEvent, ...]


@dataclass(frozen=True, slots=True)
class Finalized:
    """A block became final here: its ops in order and the numbered events of their execution."""

    pair: str
    block: Block
    fc: Certificate
    items: tuple[Item, ...]
    events: tuple[RawEvent, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Pending ops that will never be certified, and why: the word for it that submitters are told."""

    pair: str
    ops: tuple[Op, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class TermChanged:
    """This replica entered a term; ``why`` says, for people, what it held against the last one."""

    pair: str
    term: int
    why: str


@dataclass(frozen=True, slots=True)
class PairHalted:
    """This replica stopped for good, and the certificates that show why."""

    pair: str
    reason: Halt
    certificates: tuple[Certificate, ...]
