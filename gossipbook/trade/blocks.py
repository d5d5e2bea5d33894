"""Checks blocks that a peer sends, final or prepared: the certificate, and every event against the digest it covers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gossipbook.client_messages import PreparedPart, ProvenBlock
from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.crdt.merkle import chain_events_digest
from gossipbook.crdt.op import Op
from gossipbook.errors import DecodeError
from gossipbook.identity import Verifier
from gossipbook.ids import Digest
from gossipbook.limits import BLOCK_WORK_CAP
from gossipbook.matching.events import EVENT_TYPES, Event, RawEvent, is_whole, name_event
from gossipbook.ordered import BoundedDict
from gossipbook.trade.outcome import Certified, OwnEvents, ProofKind

EVENTS_CAP = BLOCK_WORK_CAP
"""Events of one block."""
CHECKED_CAP = 256
"""Blocks remembered as checked, because several peers send the same one."""


@dataclass(frozen=True, slots=True)
class CheckedBlock:
    """A block that is proven to be final or prepared, or told so by one's own peer; ``term``: that certified it."""

    pair: str
    block: Block
    term: int
    events: tuple[Event, ...]
    proof: ProofKind


@dataclass(slots=True)
class _Parts:
    block: bytes
    certificate: Certificate
    previous: Digest
    events: list[RawEvent] = field(default_factory=list)
    next_part: int = 0


class BlockReader:
    """Puts one link's parts of blocks together, and checks them: of finalized ones, or if ``prepared`` of those.

    ``own``: the link is to one's own peer.
    """

    def __init__(
        self, committees: dict[str, Committee], verifier: Verifier, *, own: bool, prepared: bool = False
    ) -> None:
        self._kind = PREPARE if prepared else COMMIT
        self._committees = committees
        self._verifier = verifier
        self._own = own
        self._parts: dict[str, _Parts] = {}
        self._valid: BoundedDict[bytes, None] = BoundedDict(CHECKED_CAP)

    def take(self, message: ProvenBlock | PreparedPart) -> CheckedBlock | str | None:
        """Take a part; the block once it is whole, what is wrong with it, or None while parts are missing."""
        committee = self._committees.get(message.pair)
        if committee is None:
            return "a block of a pair that this network does not have"
        if message.part == 0:
            certificate = message.fc if isinstance(message, ProvenBlock) else message.nc
            if certificate is None:
                return "a block without its certificate"
            self._parts[message.pair] = _Parts(message.block, certificate, message.previous)
        parts = self._parts.get(message.pair)
        if parts is None or parts.next_part != message.part:
            self._parts.pop(message.pair, None)
            return None  # A part was lost with what the link dropped: the block is asked for again.
        parts.next_part += 1
        parts.events += message.events
        if len(parts.events) > EVENTS_CAP:
            del self._parts[message.pair]
            return "a block with too many events"
        if not message.last:
            return None
        del self._parts[message.pair]
        return self._check(message.pair, parts, committee)

    def _check(self, pair: str, parts: _Parts, committee: Committee) -> CheckedBlock | str:
        try:
            block = decode_block(parts.block)
        except DecodeError:
            return "a malformed block"
        certificate = parts.certificate
        if (block.chain_id, block.pair) != (committee.chain_id, pair):
            return "a block of another network or pair"
        if (certificate.kind, certificate.height, certificate.block_id) != (self._kind, block.height, block.id):
            return "certificate of another block"
        try:
            events = tuple(map(_named, parts.events))
        except DecodeError:
            return "a malformed event"
        if not self._own:
            if chain_events_digest(parts.previous, parts.events) != block.events_digest:
                return "events that the block does not cover"
            if block.id not in self._valid and not certificate.valid(committee, self._verifier):
                return "an invalid certificate"
            self._valid[block.id] = None
        proof = ProofKind.OWN_PEER if self._own else ProofKind.CERTIFICATE
        return CheckedBlock(pair, block, certificate.term, events, proof)


def _named(raw: RawEvent) -> Event:
    if not raw or raw[0] not in EVENT_TYPES or not is_whole(raw):
        raise DecodeError("an event of a kind or shape that is not known")
    return name_event(raw)


def certified_outcomes(ops: Sequence[Op], block: CheckedBlock) -> list[Certified]:
    """What an author's ops did in the block that holds them, in order."""
    if not ops:
        return []
    own = OwnEvents(ops[0].author, block.events, ops)
    return [_certified(op, block, own.of(op)) for op in ops]


def _certified(op: Op, block: CheckedBlock, events: tuple[Event, ...]) -> Certified:
    return Certified(
        pair=block.pair,
        op_id=op.id,
        height=block.block.height,
        block_id=block.block.id,
        time_ms=block.block.time_ms,
        events=events,
        proof=block.proof,
    )
