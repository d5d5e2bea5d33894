"""Change a leader's own proposal, and sign it anew."""

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import Propose
from gossipbook.identity import DOMAIN_PROPOSE, Identity
from gossipbook.ids import BlockId, Digest, OpId


def altered_block(
    block: Block,
    *,
    parent: BlockId | None = None,
    time_ms: int | None = None,
    op_ids: tuple[OpId, ...] = (),
    events_digest: Digest | None = None,
) -> Block:
    """Return a copy of a block with the given fields replaced."""
    return make_block(
        chain_id=block.chain_id,
        epoch=block.epoch,
        pair=block.pair,
        height=block.height,
        parent=block.parent if parent is None else parent,
        proposer=block.proposer,
        created_term=block.created_term,
        time_ms=block.time_ms if time_ms is None else time_ms,
        op_ids=op_ids or block.op_ids,
        events_digest=block.events_digest if events_digest is None else events_digest,
    )


def proposal_of(block: Block, message: Propose, committee: Committee, identity: Identity) -> Propose:
    """Return a copy of a proposal that carries another block, signed by the proposer."""
    m = message
    body = committee.propose_body(m.term, m.height, block.id)
    signature = identity.sign(DOMAIN_PROPOSE, committee.chain_id, body)
    return Propose(m.pair, m.epoch, m.term, m.height, block.raw, m.tc, m.fc, signature)
