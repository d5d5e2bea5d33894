"""Decode what a message carries, once for equal bytes."""

from dataclasses import dataclass

from gossipbook.client_messages import Submit
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import Certificate, TermChange
from gossipbook.consensus.committee import PREPARE
from gossipbook.consensus.messages import Bodies, CastVote, FinalizedBlock, GiveUp, Proof, Propose
from gossipbook.crdt.op import Op
from gossipbook.errors import DecodeError
from gossipbook.gossip.messages import Push
from gossipbook.ordered import BoundedDict
from gossipbook.wire.codec import LAYOUTS, decode_message

NAMES = {kind: cls.__name__ for cls, (kind, _) in LAYOUTS.items()}
OPENED = frozenset((15, 20, 21, 22, 23, 26, 28, 50))
"""Kinds that are decoded: pushes, and what carries ops, blocks and votes. Of the others the kind is enough."""

CACHE_CAP = 4_096

VoteKey = tuple[str, int, str, int, int, bytes]  # pair, height, kind, term, seat, block id


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report needs of a message. ``label`` is empty if no diagram shows it; ``seat`` is its signer's or -1."""

    kind: str
    ops: tuple[bytes, ...] = ()
    blocks: tuple[bytes, ...] = ()
    vote: VoteKey | None = None
    label: str = ""
    seat: int = -1
    pair: str = ""


class MessageReader:
    """Decodes messages, and remembers the latest ones, because most bytes recur many times."""

    def __init__(self) -> None:
        self._known: BoundedDict[bytes, Contents] = BoundedDict(CACHE_CAP)

    def read(self, raw: bytes) -> Contents:
        """Return the contents of one encoded message, which may be malformed."""
        known = self._known.get(raw)
        if known is None:
            known = _read(raw)
            self._known[raw] = known
        return known


def _read(raw: bytes) -> Contents:
    kind = raw[1] if len(raw) > 1 and raw[1] < 0x18 else raw[2] if len(raw) > 2 else 0
    if kind not in OPENED:
        return Contents(NAMES.get(kind, "malformed"))
    try:
        message = decode_message(raw)
        inner = decode_message(message.payload) if isinstance(message, Push) else message
        name = type(inner).__name__
        return _open(inner, f"Push of {name}" if isinstance(message, Push) else name)
    except DecodeError:
        return Contents("malformed")


def _open(message: object, kind: str) -> Contents:
    match message:
        case Submit(op):
            return Contents(kind, ops=(op.id,))
        case Bodies(_, items):
            return Contents(kind, ops=tuple(item.id for item in items if isinstance(item, Op)))
        case FinalizedBlock(pair, _, block, fc, items):
            ids = tuple(item.id for item in items if isinstance(item, Op))
            return Contents(kind, ids, (decode_block(block).id,), label=f"BLOCK {fc.height}", pair=pair)
        case Propose(pair, _, term, height):
            return Contents(kind, label=f"PROPOSE {height}{_in_term(term)}", pair=pair)
        case CastVote(pair, _, vote):
            what = "PREPARE" if vote.kind == PREPARE else "COMMIT"
            key = (pair, vote.height, what, vote.term, vote.seat, vote.block_id)
            label = f"{what} {vote.height}{_in_term(vote.term)}"
            return Contents(kind, vote=key, label=label, seat=vote.seat, pair=pair)
        case GiveUp(pair, _, timeout):
            return Contents(kind, label=f"TIMEOUT{_in_term(timeout.term)}", seat=timeout.seat, pair=pair)
        case Proof(pair, _, TermChange(term=term)):
            return Contents(kind, label=f"TC{_in_term(term)}", pair=pair)
        case Proof(pair, _, Certificate() as certificate):
            what = "NC" if certificate.kind == PREPARE else "FC"
            return Contents(kind, label=f"{what} {certificate.height}{_in_term(certificate.term)}", pair=pair)
    return Contents(kind)


def _in_term(term: int) -> str:
    return f" · t{term}"
