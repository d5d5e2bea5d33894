"""The block: which ops, in which order, at what time, with what outcome. Its id is its hash.

The voting term is not part of it: proposed again in a later term, it is the same block with the same id.
"""

from dataclasses import dataclass
from functools import lru_cache

from gossipbook import cbor
from gossipbook.errors import DecodeError
from gossipbook.ids import DIGEST_BYTES, PUBLIC_KEY_BYTES, BlockId, ChainId, Digest, OpId, PublicKey, digest

BLOCK_VERSION = 1
BLOCK_BYTES_CAP = 49_152
BLOCK_OPS_CAP = 1_024
DECODED_CAP = 64  # blocks kept decoded


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A decoded block and its exact bytes. ``state_root`` is empty except at checkpoints."""

    chain_id: ChainId
    epoch: int
    pair: str
    height: int
    parent: BlockId
    proposer: PublicKey
    created_term: int
    time_ms: int
    op_ids: tuple[OpId, ...]
    events_digest: Digest
    state_root: bytes
    raw: bytes
    id: BlockId

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


def make_block(
    *,
    chain_id: ChainId,
    epoch: int,
    pair: str,
    height: int,
    parent: BlockId,
    proposer: PublicKey,
    created_term: int,
    time_ms: int,
    op_ids: tuple[OpId, ...],
    events_digest: Digest,
) -> Block:
    fields = [chain_id, epoch, pair, height, parent, proposer, created_term, time_ms, list(op_ids), events_digest, b""]
    return decode_block(cbor.encode([BLOCK_VERSION, *fields]))


def decode_block(raw: object) -> Block:
    """A block from its bytes, every field checked. The latest ones are kept: many messages bring the same block.

    Raises:
        DecodeError: naming the field that is wrong.
    """
    return _decode(cbor.check_blob(raw, "block", BLOCK_BYTES_CAP))


@lru_cache(DECODED_CAP)
def _decode(raw: bytes) -> Block:
    version, chain_id, epoch, pair, height, parent, proposer, term, time_ms, op_ids, events_digest, root = (
        cbor.decode_array(raw, 12)
    )
    if cbor.check_uint(version, "version") != BLOCK_VERSION:
        raise DecodeError(f"block: version {version!r}; this build knows {BLOCK_VERSION}")
    ids = cbor.check_list(op_ids, "op ids", BLOCK_OPS_CAP)
    for op_id in ids:
        cbor.check_bytes(op_id, "op id", DIGEST_BYTES)
    if root != b"":
        raise DecodeError("block: a state root where none belongs")
    return Block(
        chain_id=cbor.check_bytes(chain_id, "chain id", DIGEST_BYTES),
        epoch=cbor.check_uint(epoch, "epoch", 2**32 - 1),
        pair=cbor.check_text(pair, "pair", 32),
        height=cbor.check_uint(height, "height"),
        parent=cbor.check_bytes(parent, "parent", DIGEST_BYTES),
        proposer=cbor.check_bytes(proposer, "proposer", PUBLIC_KEY_BYTES),
        created_term=cbor.check_uint(term, "created term"),
        time_ms=cbor.check_uint(time_ms, "time_ms"),
        op_ids=tuple(ids),
        events_digest=cbor.check_bytes(events_digest, "events digest", DIGEST_BYTES),
        state_root=b"",
        raw=raw,
        id=digest(b"block", raw),
    )
