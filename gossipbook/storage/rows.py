"""What a journal stores, as rows of bytes, and how a peer's state is read back out of them.

Every row can be told to be whole by itself: items and blocks are named by their own hash, certificates carry
signatures, vote states a checksum. So a flipped bit is found at start, whichever store the bytes came from.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from gossipbook import cbor
from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.certificate import Certificate, decode_certificate
from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.consensus.records import BlockRecord, FinalRecord, ItemRecord, VoteRecord, VoteState
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Evidence, decode_evidence, decode_op
from gossipbook.errors import DecodeError, JournalError
from gossipbook.ids import BlockId, OpId
from gossipbook.peer.stored import StoredPair


@dataclass(frozen=True, slots=True)
class ItemRow:
    pair: str
    id: OpId
    is_evidence: bool
    body: bytes
    checksum: bytes

    def sealed(self) -> bytes:
        return _seal("item", self.pair, self.id, bool(self.is_evidence), self.body)


@dataclass(frozen=True, slots=True)
class BlockRow:
    pair: str
    id: BlockId
    height: int
    body: bytes
    checksum: bytes

    def sealed(self) -> bytes:
        return _seal("block", self.pair, self.id, self.height, self.body)


@dataclass(frozen=True, slots=True)
class FinalRow:
    pair: str
    height: int
    id: BlockId
    body: bytes
    fc: bytes
    checksum: bytes

    def sealed(self) -> bytes:
        return _seal("final", self.pair, self.height, self.id, self.body, self.fc)


@dataclass(frozen=True, slots=True)
class VoteRow:
    pair: str
    epoch: int
    state: bytes
    checksum: bytes

    def sealed(self) -> bytes:
        return _seal("votes", self.pair, self.epoch, self.state)


Row = ItemRow | BlockRow | FinalRow | VoteRow


def _seal(table: str, *columns: object) -> bytes:
    """SHA-256 over a row's table and all of its columns."""
    return hashlib.sha256(cbor.encode([table, *columns])).digest()


def to_row(record: object) -> Row:
    """The row of a record that a core wants durable."""
    match record:
        case ItemRecord(pair, item):
            evidence, body = isinstance(item, Evidence), item.encode()
            return ItemRow(pair, item.id, evidence, body, _seal("item", pair, item.id, evidence, body))
        case BlockRecord(pair, block):
            sealed = _seal("block", pair, block.id, block.height, block.raw)
            return BlockRow(pair, block.id, block.height, block.raw, sealed)
        case FinalRecord(pair, block, fc):
            certificate = cbor.encode(fc.encode())
            sealed = _seal("final", pair, block.height, block.id, block.raw, certificate)
            return FinalRow(pair, block.height, block.id, block.raw, certificate, sealed)
        case VoteRecord(pair, epoch, state):
            return VoteRow(pair, epoch, state, _seal("votes", pair, epoch, state))
        case _:
            raise AssertionError(f"no journal keeps a {type(record).__name__}")


def check_row(row: Row) -> None:
    """Raises :class:`JournalError` if any column of a row is not what was written."""
    try:
        intact = row.checksum == row.sealed()
    except (TypeError, ValueError, OverflowError):
        intact = False
    if not intact:
        what = {ItemRow: "an op", BlockRow: "a block", FinalRow: "a final block", VoteRow: "the vote state"}[type(row)]
        raise JournalError(f"{what} of {row.pair!r} is damaged: its checksum differs")


def read_item(row: ItemRow) -> Item:
    """An item from its row, its hash checked."""
    try:
        item: Item = decode_evidence(row.body) if row.is_evidence else decode_op(row.body)
    except DecodeError as error:
        raise JournalError(f"an op of {row.pair} is damaged: {error}") from None
    if isinstance(item, Evidence) and item.id != row.id:
        item = item.by_rules(1)
    if item.id != row.id:
        raise JournalError(f"op {row.id.hex()[:10]} of {row.pair} is damaged: its bytes have another hash")
    return item


def read_block(pair: str, block_id: BlockId, body: bytes) -> Block:
    try:
        block = decode_block(body)
    except DecodeError as error:
        raise JournalError(f"a block of {pair} is damaged: {error}") from None
    if block.id != block_id:
        raise JournalError(f"block {block_id.hex()[:10]} of {pair} is damaged: its bytes have another hash")
    return block


def read_certificate(row: FinalRow) -> Certificate:
    try:
        return decode_certificate(cbor.decode(row.fc))
    except DecodeError as error:
        raise JournalError(f"the certificate of block {row.height} of {row.pair} is damaged: {error}") from None


def read_votes(row: VoteRow) -> VoteState:
    try:
        return VoteState.decode(row.state)
    except DecodeError as error:
        raise JournalError(f"the vote state of {row.pair} is damaged: {error}") from None


def assemble(
    pair: str,
    finals: Iterable[FinalRow],
    blocks: Iterable[BlockRow],
    items: dict[OpId, ItemRow],
    votes: VoteRow | None,
) -> StoredPair:
    """A pair's state from its rows. Consumes ``items``: what no final block names is pending."""
    finals, blocks = list(finals), list(blocks)
    rows: list[Row] = [*finals, *blocks, *items.values(), *([] if votes is None else [votes])]
    for row_to_check in rows:
        check_row(row_to_check)
    chain: list[tuple[Block, Certificate, list[Item]]] = []
    evidence: dict[OpId, ItemRow] = {}  # which several blocks may name: an author may have a life of one number again
    for row in sorted(finals, key=lambda row: row.height):
        if row.height != len(chain) + 1:
            raise JournalError(f"block {len(chain) + 1} of {pair} is missing")
        block = read_block(pair, row.id, row.body)
        fc = read_certificate(row)
        if (fc.height, fc.block_id) != (block.height, block.id):
            raise JournalError(f"block {row.height} of {pair} has another block's certificate")
        named: list[Item] = []
        for op_id in block.op_ids:
            item_row = items.pop(op_id, None) or evidence.get(op_id)
            if item_row is None:
                raise JournalError(f"block {row.height} of {pair} names op {op_id.hex()[:10]}, which is missing")
            if item_row.is_evidence:
                evidence[op_id] = item_row
            named.append(read_item(item_row))
        chain.append((block, fc, named))
    held = [read_block(pair, row.id, row.body) for row in blocks if row.height > len(chain)]
    again = {op_id: evidence[op_id] for block in held for op_id in block.op_ids if op_id in evidence}
    pending = sorted((read_item(row) for row in (*items.values(), *again.values())), key=_replay_order)
    return StoredPair(chain, held, None if votes is None else read_votes(votes), pending)


def _replay_order(item: Item) -> tuple[bytes, int, bytes]:
    """Authors' pending ops in sequence, evidence last."""
    return item.author, 2**63 if isinstance(item, Evidence) else item.seq, item.id


def final_message(row: FinalRow, epoch: int, items: Iterable[ItemRow]) -> FinalizedBlock:
    """A stored block with its op bodies, for one who catches up."""
    fc = read_certificate(row)
    return FinalizedBlock(row.pair, epoch, row.body, fc, tuple(read_item(item) for item in items))
