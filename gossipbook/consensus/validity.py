"""What is wrong with a proposed block; None if a member may PREPARE it."""

from collections.abc import Sequence
from typing import TypeAlias

from gossipbook.consensus.block import Block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import TermChange
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.words import BlockFault
from gossipbook.crdt.budget import within_limits
from gossipbook.crdt.interpretation import Interpretation, Item, UnfitOps
from gossipbook.ids import BlockId
from gossipbook.manifest import Manifest

Fault: TypeAlias = BlockFault | UnfitOps
"""Why a member does not prepare a block: for its own sake, or for its ops'."""


def misfit(block: Block, committee: Committee, fin: int, tip: BlockId) -> BlockFault | None:
    """Wrong place: another network, pair, epoch, height or parent."""
    if (block.chain_id, block.epoch, block.pair) != (committee.chain_id, committee.epoch, committee.symbol):
        return BlockFault.ELSEWHERE
    if block.height != fin + 1 or block.parent != tip:
        return BlockFault.NOT_NEXT
    return None


def unbound(block: Block, term: int, tc: TermChange | None) -> BlockFault | None:
    """Against what the last term change binds the leader to."""
    if term == 0:
        return None if block.created_term == 0 else BlockFault.TERM_NOT_BEGUN
    if tc is None or tc.term != term - 1:
        return BlockFault.TERM_NOT_OVER
    if block.height <= tc.high_fin:
        return BlockFault.FINAL_ALREADY
    lock = tc.high_lock
    if block.height == tc.high_fin + 1 and lock is not None:
        return None if block.id == lock.lock_id else BlockFault.NOT_LOCKED_ONE
    return None if block.created_term == term else BlockFault.NEITHER


def unordered(block: Block, items: Sequence[Item], certified: Interpretation, manifest: Manifest) -> Fault | None:
    """Contents that no honest leader would choose, whatever the term."""
    if not items and not certified.may_be_empty(block.time_ms):
        return BlockFault.EMPTY
    if len(set(block.op_ids)) != len(block.op_ids):
        return BlockFault.OP_TWICE
    if not within_limits(items, manifest.limits, manifest.rules_version):
        return BlockFault.ABOVE_LIMITS
    if canonical_order(block.parent, items) != list(items):
        return BlockFault.OUT_OF_ORDER
    return certified.refusal(items, block.time_ms)


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
