"""What is wrong with a proposed block; None if a member may PREPARE it."""

from collections.abc import Sequence
from typing import TypeAlias

from gossipbook.consensus.block import Block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import TermChange, Vote
from gossipbook.consensus.chain import Chain, Line
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.words import BlockFault
from gossipbook.crdt.budget import within_limits
from gossipbook.crdt.pair_state import Item, PairState, UnfitOps
from gossipbook.ids import BlockId
from gossipbook.manifest import Manifest

Fault: TypeAlias = BlockFault | UnfitOps
"""Why a member does not prepare a block: for its own sake, or for its ops'."""


def misfit(block: Block, committee: Committee) -> BlockFault | None:
    """Of another network, pair or epoch."""
    if (block.chain_id, block.epoch, block.pair) != (committee.chain_id, committee.epoch, committee.symbol):
        return BlockFault.ELSEWHERE
    return None


def misplaced(block: Block, committee: Committee, fin: int, tip: BlockId) -> BlockFault | None:
    """Wrong place: another network, pair, epoch, height or parent."""
    if block.height != fin + 1 or block.parent != tip:
        return BlockFault.NOT_NEXT
    return misfit(block, committee)


def unbound(block: Block, term: int, tc: TermChange | None, committee: Committee) -> BlockFault | None:
    """Against what the last term change binds the leader to, whatever the block descends from."""
    if term == 0:
        return None if block.created_term == 0 else BlockFault.TERM_NOT_BEGUN
    if tc is None or tc.term != term - 1:
        return BlockFault.TERM_NOT_OVER
    if block.height <= tc.high_fin:
        return BlockFault.FINAL_ALREADY
    base = tc.base(committee)
    if block.height <= base.height:
        return None if block.id == base.block_id else BlockFault.NOT_LOCKED_ONE
    return None if block.created_term == term else BlockFault.NEITHER


def unfounded(
    line: Line, tc: TermChange | None, term: int, last: Vote | None, chain: Chain, committee: Committee
) -> BlockFault | None:
    """What forbids a PREPARE of a line's last block in a term for what it descends from, where several are in flight.

    ``tc`` is what its leader shows, ``last`` what this member prepared last in the term. It must descend from either;
    what lies between is of this term's leader.
    """
    if last is not None and (last.height <= chain.fin or chain.id_at(line, last.height) != last.block_id):
        return BlockFault.NOT_ON_OWN
    base_height = 0
    if term > 0:
        assert tc is not None
        base = tc.base(committee)
        base_height = base.height
        there = chain.id_at(line, base_height)
        if there != base.block_id and (there is not None or base_height > chain.fin):
            return BlockFault.NOT_ON_BASE
    leader = committee.key(committee.leader(term))
    for block in line.blocks:
        if block.height > base_height and (block.created_term, block.proposer) != (term, leader):
            return BlockFault.NEITHER
    return None


def unordered(block: Block, items: Sequence[Item], state: PairState, manifest: Manifest) -> Fault | None:
    """Contents that no honest leader would choose on top of a state, whatever the term."""
    if not items and not state.may_be_empty(block.time_ms):
        return BlockFault.EMPTY
    if len(set(block.op_ids)) != len(block.op_ids):
        return BlockFault.OP_TWICE
    if not within_limits(items, manifest.limits, manifest.rules_version):
        return BlockFault.ABOVE_LIMITS
    if canonical_order(block.parent, items) != list(items):
        return BlockFault.OUT_OF_ORDER
    return state.refusal(items, block.time_ms)


def untimely(block: Block, committee: Committee, parent_ms: int, wall_ms: int, tolerance_ms: int) -> BlockFault | None:
    """A fresh block's proposer and time, by this member's own clock."""
    if block.proposer != committee.key(committee.leader(block.created_term)):
        return BlockFault.NOT_LEADER
    if block.time_ms <= parent_ms:
        return BlockFault.NOT_LATER
    if block.time_ms < wall_ms - tolerance_ms:
        return BlockFault.TOO_OLD
    if block.time_ms > wall_ms + tolerance_ms and block.time_ms != parent_ms + 1:
        return BlockFault.TOO_NEW
    return None
