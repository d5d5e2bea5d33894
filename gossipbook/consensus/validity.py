"""What is wrong with a proposed block, in words; None if a member may PREPARE it."""

from collections.abc import Sequence

from gossipbook.consensus.block import Block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import TermChange
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.selection import within_limits
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.ids import BlockId
from gossipbook.manifest import Manifest


def misfit(block: Block, committee: Committee, fin: int, tip: BlockId) -> str | None:
    """Wrong place: another network, pair, epoch, height or parent."""
    if (block.chain_id, block.epoch, block.pair) != (committee.chain_id, committee.epoch, committee.symbol):
        return "of another network, epoch or pair"
    if block.height != fin + 1 or block.parent != tip:
        return "does not follow the finalized tip"
    return None


def unbound(block: Block, term: int, tc: TermChange | None) -> str | None:
    """Against what the last term change binds the leader to."""
    if term == 0:
        return None if block.created_term == 0 else "created in a term that has not begun"
    if tc is None or tc.term != term - 1:
        return "no certificate that the last term is over"
    if block.height <= tc.high_fin:
        return "at a height that is final already"
    lock = tc.high_lock
    if block.height == tc.high_fin + 1 and lock is not None:
        return None if block.id == lock.lock_id else "not the block that the last term change is locked on"
    return None if block.created_term == term else "neither fresh nor locked"


def unordered(block: Block, items: Sequence[Item], certified: Interpretation, manifest: Manifest) -> str | None:
    """Contents that no honest leader would choose, whatever the term."""
    if not items and not certified.due(block.time_ms):
        return "empty"
    if len(set(block.op_ids)) != len(block.op_ids):
        return "names an op twice"
    if not within_limits(items, manifest.limits):
        return "above the block limits"
    if canonical_order(block.parent, items) != list(items):
        return "out of canonical order"
    return certified.refusal(items)


def untimely(block: Block, committee: Committee, parent_ms: int, wall_ms: int, tolerance_ms: int) -> str | None:
    """A fresh block's proposer and time, by this member's own clock."""
    if block.proposer != committee.key(committee.leader(block.created_term)):
        return "its proposer did not lead the term it was created in"
    if block.time_ms <= parent_ms:
        return "not later than its parent"
    if block.time_ms < wall_ms - tolerance_ms:
        return "too old"
    if block.time_ms > wall_ms + tolerance_ms and block.time_ms != parent_ms + 1:
        return "too new"
    return None
