"""Checks what peers say of an author's chain of ops, so that nothing unproven is believed.

An author's own signature proves that an op exists, and so that its number is used up. The certificate of the block that
holds it proves that the op, with all before it, is certified. Two signed ops with one number prove that the key is
frozen, or will be. A claim without such proof has no effect but on which client order ids are left out.
"""

from dataclasses import dataclass, field

from gossipbook.client_messages import AuthorWord
from gossipbook.consensus.block import decode_block
from gossipbook.consensus.committee import COMMIT, Committee
from gossipbook.crdt.op import Op
from gossipbook.errors import DecodeError
from gossipbook.identity import Verifier
from gossipbook.ids import PublicKey
from gossipbook.trade.op_chain import OpChain

ID_LEAP_CAP = 2**20
"""How many client order ids an unproven claim can make an author leave out. An honest peer's claim is true."""


@dataclass(frozen=True, slots=True)
class CheckedWord:
    """An :class:`AuthorWord` of which only what is proven is left, but for ``claimed_id`` and ``claimed_seq``."""

    height: int
    synced: bool
    certified: Op | None
    certified_height: int
    pending: tuple[Op, ...]
    more: bool
    forked: bool
    claimed_seq: int
    claimed_id: int

    @property
    def unaware(self) -> bool:
        """Whether the peer says that the author is not in the table."""
        return not self.claimed_seq and self.certified is None


def check_word(
    word: AuthorWord, author: PublicKey, committee: Committee, verifier: Verifier, *, own: bool
) -> CheckedWord | str:
    """Return what a peer's word proves, or what is wrong with it.

    ``own``: it is this program's own peer, whose certified head is taken as it is.
    """
    if word.author != author:
        return "a word on another author"

    def is_mine(op: Op) -> bool:
        named = (op.author, op.pair, op.chain_id) == (author, committee.symbol, committee.chain_id)
        return named and verifier.good(op.check())

    height = 0
    if word.newest is not None:
        if not is_mine(word.newest) or word.newest.seq + 1 != word.next_seq:
            return "a certified op that is not the author's"
        found = _block_height(word, committee, verifier, own=own)
        if isinstance(found, str):
            return found
        height = found
    if not all(map(is_mine, word.pending)):
        return "a pending op that is not the author's"
    if word.evidence is not None and not all(map(is_mine, (word.evidence.first, word.evidence.second))):
        return "evidence that is not the author's"
    return CheckedWord(
        height=word.height,
        synced=word.synced,
        certified=word.newest,
        certified_height=height,
        pending=word.pending,
        more=word.more,
        forked=word.evidence is not None,
        claimed_seq=word.next_seq,
        claimed_id=word.last_client_id,
    )


def _block_height(word: AuthorWord, committee: Committee, verifier: Verifier, *, own: bool) -> int | str:
    """The height of the finalized block that holds the newest certified op, or what is wrong."""
    assert word.newest is not None
    try:
        block = decode_block(word.block)
    except DecodeError:
        return "a malformed block"
    fc = word.fc
    if fc is None or (fc.kind, fc.height, fc.block_id) != (COMMIT, block.height, block.id):
        return "a block without its certificate"
    if word.newest.id not in block.op_ids:
        return "a block without the op"
    if not own and not fc.valid(committee, verifier):
        return "an invalid certificate"
    return block.height


@dataclass(slots=True)
class HeadSearch:
    """Collects what peers say of the author's chain in one pair, and draws the conclusion.

    ``certified_seq`` and ``height`` are what was known to be certified when the first was asked.
    """

    certified_seq: int = 0
    height: int = 0

    words: dict[bytes, CheckedWord] = field(default_factory=dict)
    unfinished: dict[bytes, int] = field(default_factory=dict)  # who has more to say, from which number on
    ops: dict[int, Op] = field(default_factory=dict)
    forked: bool = False

    def take(self, who: bytes, word: CheckedWord) -> None:
        """Take one peer's word; a later one of the same peer replaces its numbers, never what it proved."""
        self.words[who] = word
        self.unfinished.pop(who, None)
        if word.more and word.pending:
            self.unfinished[who] = word.pending[-1].seq + 1
        self.forked = self.forked or word.forked
        for op in (*word.pending, *(() if word.certified is None else (word.certified,))):
            if self.ops.setdefault(op.seq, op).id != op.id:
                self.forked = True

    def heard(self) -> list[bytes]:
        """Who has said all that it knows. What the others hold back may be the newest op, whose number is used up."""
        return [who for who in self.words if who not in self.unfinished]

    def conflict(self, chain: OpChain) -> Op | None:
        """Return an op of this key that contradicts the chain, so that another copy of the key signed it; else None."""
        for seq, op in sorted(self.ops.items()):
            mine = chain.ops.get(seq)
            if mine is not None and mine.id != op.id:
                return op
            if seq == chain.next_seq and chain.next_seq and op.prev != chain.head:
                return op
            if seq == chain.next_seq - 1 and op.id != chain.head:
                return op
        return None

    def certified(self) -> tuple[Op | None, int]:
        """The newest op that is proven to be certified, and the height of its block."""
        best, height = None, 0
        for word in self.words.values():
            if word.certified is not None and (best is None or word.certified.seq > best.seq):
                best, height = word.certified, word.certified_height
        return best, height

    def behind(self) -> bool:
        """Whether everybody who answered knows fewer certified ops than the author did when they were asked."""
        words = self.words.values()
        return bool(words) and all(
            word.claimed_seq < self.certified_seq and word.height < self.height for word in words
        )

    def used_up_to(self, proven: int, committee: Committee) -> int:
        """The highest client order id that may be in use.

        Of more than f members one is honest, and what an honest one claims is true: so the f+1st highest claim is never
        too high. With fewer answers a claim is believed within :data:`ID_LEAP_CAP`.
        """
        members = [word for who, word in self.words.items() if committee.seat_of(who) is not None]
        claims = sorted((word.claimed_id for word in members), reverse=True)
        if len(claims) > committee.quorum.f:
            return max(proven, claims[committee.quorum.f])
        claimed = max((word.claimed_id for word in self.words.values()), default=0)
        return max(proven, min(claimed, proven + ID_LEAP_CAP))
