"""Checking a receipt: decoded, then held to each of :data:`CHECKS` in turn. The first that fails is the reason."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.committee import COMMIT, Committee
from gossipbook.crdt.op import Op, open_op
from gossipbook.errors import DecodeError, VerifyError
from gossipbook.identity import verify_signature
from gossipbook.ids import ChainId, digest, short
from gossipbook.manifest import Manifest, Pair
from gossipbook.matching.commands import AnyPlace, Command, PlaceFlags, Side, SpecialPlace
from gossipbook.matching.events import ACCEPTED, STOP_ACCEPTED, RawEvent
from gossipbook.receipt.format import WHOLE_EVENTS_CAP, BlockPart, decode_receipt
from gossipbook.receipt.network import read_manifest
from gossipbook.receipt.order import Life, concerns, entering
from gossipbook.receipt.tree import leaf, recompute


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A block of a receipt: decoded, and what goes with it."""

    block: Block
    part: BlockPart

    @property
    def event_count(self) -> int:
        """How many events the block has, since they are numbered without a gap and its first and last are shown."""
        events = self.part.events
        return int(events[-1][1]) - int(events[0][1]) + 1

    @property
    def whole(self) -> bool:
        """Whether all of its events are shown."""
        return len(self.part.events) == self.event_count


@dataclass(frozen=True, slots=True)
class Claim:
    """All that a receipt says, decoded and not believed yet. ``trusted``: the chain that its reader trusts, if any."""

    manifest: Manifest
    committee: Committee
    op: Op
    client_id: int
    links: tuple[ChainLink, ...]
    trusted: ChainId | None

    def own(self, link: ChainLink) -> tuple[RawEvent, ...]:
        """The order's events among a block's."""
        return tuple(event for event in link.part.events if concerns(event, self.op.author, self.client_id))


@dataclass(frozen=True, slots=True)
class BlockInReceipt:
    """One block that a receipt proves. ``events`` are the order's; ``whole``: the block has no others of it."""

    block: Block
    certified_term: int
    signers: tuple[str, ...]
    events: tuple[RawEvent, ...]
    event_count: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Proven:
    """What a valid receipt proves; the package docstring says what not. ``pinned``: the caller named the chain."""

    network: str
    chain_id: ChainId
    pinned: bool
    pair: Pair
    op: Op
    client_id: int
    command: Command
    blocks: tuple[BlockInReceipt, ...]
    life: Life


def verify_receipt(raw: bytes, chain_id: ChainId | None = None) -> Proven:
    """What a receipt proves. ``chain_id``: the network that the caller trusts; None believes the receipt's manifest.

    Raises:
        VerifyError: it proves nothing; the text is the reason.
    """
    claim = open_receipt(raw, chain_id)
    for check in CHECKS:
        check(claim)
    return _proven(claim)


def open_receipt(raw: bytes, chain_id: ChainId | None) -> Claim:
    """A receipt's claim, each part of it decoded and nothing checked that goes beyond one part.

    Raises:
        VerifyError: a part is not what it should be.
    """
    receipt = decode_receipt(raw)
    manifest = read_manifest(receipt.manifest)
    try:
        op = open_op(receipt.signed, receipt.signature)
        links = tuple(ChainLink(decode_block(part.raw), part) for part in receipt.blocks)
    except DecodeError as error:
        raise VerifyError(f"malformed: {error}") from None
    if op.pair not in manifest.symbols():
        raise VerifyError(f"the op is of a pair that is not in the manifest: {op.pair!r}")
    if any(not link.part.events for link in links):
        raise VerifyError("a block without events")
    committee = Committee.of(manifest, manifest.chain_id, op.pair)
    return Claim(manifest, committee, op, receipt.client_id, links, chain_id)


# -- checks -----------------------------------------------------------------------------------------


def check_network(claim: Claim) -> None:
    """The chain is the one that the verifier trusts."""
    if claim.trusted not in (None, claim.manifest.chain_id):
        name, chain = claim.manifest.name, short(claim.manifest.chain_id)
        raise VerifyError(f"a receipt of another network: {name!r}, chain {chain}…")


def check_op_chain(claim: Claim) -> None:
    if claim.op.chain_id != claim.manifest.chain_id:
        raise VerifyError("the op is of another chain than the manifest")


def check_op_signature(claim: Claim) -> None:
    if not verify_signature(claim.op.check()):
        raise VerifyError("the author's signature on the op is not good")


def check_entered(claim: Claim) -> None:
    if entering(claim.op, claim.client_id) is None:
        raise VerifyError(f"the op does not enter an order {claim.client_id}")


def check_block_chain(claim: Claim) -> None:
    for link in claim.links:
        block = link.block
        if block.chain_id != claim.manifest.chain_id:
            raise VerifyError(f"block {block.height} is of another chain")
        if (block.pair, block.epoch) != (claim.op.pair, claim.manifest.epoch):
            raise VerifyError(f"block {block.height} is of another pair or epoch")


def check_heights(claim: Claim) -> None:
    heights = [link.block.height for link in claim.links]
    if heights[0] < 1 or any(a >= b for a, b in itertools.pairwise(heights)):
        raise VerifyError("its blocks are not at ascending heights from 1 on")


def check_parents(claim: Claim) -> None:
    """Where blocks adjoin, one follows from the other."""
    first = claim.links[0]
    if first.block.height == 1 and first.block.parent != claim.committee.genesis:
        raise VerifyError("block 1 does not follow the genesis")
    for before, link in zip(claim.links, claim.links[1:], strict=False):
        if before.block.time_ms >= link.block.time_ms:
            raise VerifyError(f"block {link.block.height} is not later than block {before.block.height}")
        if before.block.height + 1 != link.block.height:
            continue
        if link.block.parent != before.block.id or link.part.digest_before != before.block.events_digest:
            raise VerifyError(f"block {link.block.height} does not follow block {before.block.height}")


def check_named(claim: Claim) -> None:
    if claim.op.id not in claim.links[0].block.op_ids:
        raise VerifyError(f"block {claim.links[0].block.height} does not name the op")


def check_proposers(claim: Claim) -> None:
    committee = claim.committee
    for link in claim.links:
        if link.block.proposer != committee.key(committee.leader(link.block.created_term)):
            raise VerifyError(f"block {link.block.height}: its proposer did not lead the term it was created in")


def check_seats(claim: Claim) -> None:
    """Exactly a quorum of distinct seats of the committee."""
    committee = claim.committee
    for link in claim.links:
        height, seats = link.block.height, [seat for seat, _ in link.part.votes]
        if len(seats) != committee.quorum.q:
            raise VerifyError(f"block {height}: {len(seats)} votes, where a receipt has just the {committee.quorum.q}"
                              " of a quorum")  # fmt: skip
        if any(a >= b for a, b in itertools.pairwise(seats)):
            raise VerifyError(f"block {height}: seats of the certificate appear twice or out of order")
        if seats[-1] >= len(committee.seats):
            raise VerifyError(f"block {height}: a vote of seat {seats[-1]}, which is not in the committee")


def check_terms(claim: Claim) -> None:
    for link in claim.links:
        if link.part.term < link.block.created_term:
            raise VerifyError(f"block {link.block.height}: certified in a term before it was created")


def check_votes(claim: Claim) -> None:
    committee = claim.committee
    for link in claim.links:
        block = link.block
        for seat, signature in link.part.votes:
            if seat < len(committee.seats) and not verify_signature(
                committee.vote_check(COMMIT, link.part.term, block.height, block.id, seat, signature)
            ):
                raise VerifyError(f"block {block.height}: the vote of seat {seat} is not good")


def check_numbers(claim: Claim) -> None:
    """Event numbers ascend within a block and from block to block."""
    last = 0
    for link in claim.links:
        for event in link.part.events:
            if event[1] <= last:
                raise VerifyError(f"block {link.block.height}: its events' numbers do not ascend")
            last = event[1]


def check_events_digest(claim: Claim) -> None:
    for link in claim.links:
        part = link.part
        first = part.events[0][1]
        shown = {event[1] - first: leaf(event) for event in part.events}
        root = recompute(link.event_count, shown, part.siblings)
        if digest(b"events", part.digest_before, root) != link.block.events_digest:
            raise VerifyError(f"block {link.block.height}: the events shown are not those that it certifies")


def check_own_events(claim: Claim) -> None:
    for link in claim.links:
        if not claim.own(link):
            raise VerifyError(f"block {link.block.height}: no event of the order in it")


def check_shown(claim: Claim) -> None:
    """A short block is shown whole; of a long one nothing is shown without need."""
    for link in claim.links:
        height, part = link.block.height, link.part
        if link.event_count <= WHOLE_EVENTS_CAP:
            if not link.whole:
                raise VerifyError(f"block {height}: events are left out")
        elif any(not concerns(event, claim.op.author, claim.client_id) for event in part.events[1:-1]):
            raise VerifyError(f"block {height}: events of others are shown")


def check_asked(claim: Claim) -> None:
    """An order enters as its op asks."""
    command = entering(claim.op, claim.client_id)
    for event in claim.own(claim.links[0]):
        if event[0] in (ACCEPTED, STOP_ACCEPTED) and not _is_asked(event, command):
            raise VerifyError("the order that was accepted is not what the op asks for")


def _is_asked(event: RawEvent, command: Command | None) -> bool:
    """Field by field; what is not an order at all is for another check."""
    if not isinstance(command, AnyPlace):
        return True
    stop_ticks = command.stop_ticks if isinstance(command, SpecialPlace) else 0
    if event[0] == STOP_ACCEPTED:
        return event[4:8] == (command.side, stop_ticks, command.price_ticks, command.qty_lots)
    if len(event) not in (7, 8) or type(event[5]) is not int:
        return False
    side, price, qty = event[4:7]
    farther = price < command.price_ticks if side == Side.BUY else price > command.price_ticks
    right_price = price == command.price_ticks or (farther and bool(command.flags & PlaceFlags.SLIDE))
    return (side, qty) == (command.side, command.qty_lots) and right_price and not stop_ticks


def check_life(claim: Claim) -> None:
    """The events can follow one another, and begin in the op's block."""
    _life(claim)


def _life(claim: Claim) -> Life:
    life = Life(op_seq=claim.op.seq)
    for link in claim.links:
        life.follow(claim.own(link), claim.op.author, claim.client_id)
        if life.known and not life.status:
            raise VerifyError(
                f"block {link.block.height} neither accepts the order nor refuses it for more than a used id"
            )
    return life


Check: TypeAlias = Callable[[Claim], None]
CHECKS: Sequence[Check] = (
    check_network,
    check_op_chain,
    check_op_signature,
    check_entered,
    check_block_chain,
    check_heights,
    check_parents,
    check_named,
    check_proposers,
    check_seats,
    check_terms,
    check_votes,
    check_numbers,
    check_events_digest,
    check_own_events,
    check_shown,
    check_asked,
    check_life,
)


def _proven(claim: Claim) -> Proven:
    command = entering(claim.op, claim.client_id)
    assert command is not None
    seats = claim.committee.seats
    blocks = tuple(
        BlockInReceipt(
            link.block,
            link.part.term,
            tuple(seats[seat].name for seat, _ in link.part.votes),
            claim.own(link),
            link.event_count,
            link.whole,
        )
        for link in claim.links
    )
    manifest = claim.manifest
    return Proven(
        network=manifest.name,
        chain_id=manifest.chain_id,
        pinned=claim.trusted is not None,
        pair=manifest.pair(claim.op.pair),
        op=claim.op,
        client_id=claim.client_id,
        command=command,
        blocks=blocks,
        life=_life(claim),
    )
