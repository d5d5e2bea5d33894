"""Writes the exports that the rest of this package checks.

The one module here that uses the peer's own code: the events are what this peer's interpretation makes of its
chain, and the verifier's business is to doubt them.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from gossipbook.audit.export import FORMAT, VERSION
from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.certificate import Certificate
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import Evidence, Op
from gossipbook.errors import VerifyError
from gossipbook.manifest import Manifest
from gossipbook.matching.events import RawEvent


class Final(Protocol):
    """A block with its FC and its op bodies, as ``consensus.messages.FinalizedBlock`` has them."""

    @property
    def block(self) -> bytes: ...
    @property
    def fc(self) -> Certificate: ...
    @property
    def items(self) -> Sequence[Item]: ...


def export_lines(manifest: Manifest, pair: str, blocks: Iterable[Final]) -> Iterator[str]:
    """The lines of an export, without their line ends. ``blocks`` run from height 1 on, bodies in the block's order.

    Raises:
        VerifyError: if the chain does not execute to what was certified; nothing false is exported knowingly.
    """
    yield _dumps(header(manifest, pair))
    certified = Interpretation(manifest, pair)
    for final in blocks:
        block = decode_block(final.block)
        refusal = certified.refusal(final.items, block.time_ms)
        if refusal is None:
            execution = certified.execute(block.time_ms, final.items)
            certified.commit()
        if refusal is not None or execution.events_digest != block.events_digest:
            raise VerifyError(f"block {block.height} of {pair} does not execute to what was certified")
        yield _dumps(block_line(block, final.items, execution.events, final.fc))


def write_export(path: Path, manifest: Manifest, pair: str, blocks: Iterable[Final]) -> int:
    """Write a whole export file; the number of blocks in it."""
    lines = -1
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in export_lines(manifest, pair, blocks):
            file.write(line + "\n")
            lines += 1
    return lines


def header(manifest: Manifest, pair: str) -> dict[str, Any]:
    table = manifest.to_dict()
    for matcher in table["matcher"]:
        matcher["addresses"] = []
    return {
        "kind": "header",
        "format": FORMAT,
        "version": VERSION,
        "network": manifest.name,
        "pair": manifest.pair(pair).symbol,
        "chain_id": manifest.chain_id.hex(),
        "epoch": manifest.epoch,
        "manifest": table,
    }


def block_line(block: Block, items: Sequence[Item], events: Iterable[RawEvent], fc: Certificate) -> dict[str, Any]:
    """A block line's content. The certificate goes last: what comes before it is the same from every peer."""
    return {
        "kind": "block",
        "height": block.height,
        "id": block.id.hex(),
        "block": block.raw.hex(),
        "time_ms": block.time_ms,
        "proposer": block.proposer.hex(),
        "created_term": block.created_term,
        "ops": [_item(item) for item in items],
        "events": [[field.hex() if type(field) is bytes else field for field in event] for event in events],
        "certificate": {
            "term": fc.term,
            "height": fc.height,
            "block_id": fc.block_id.hex(),
            "signers": [[seat, signature.hex()] for seat, signature in fc.signers],
        },
    }


def _item(item: Item) -> dict[str, Any]:
    if isinstance(item, Evidence):
        return {"id": item.id.hex(), "evidence": [_signed(item.first), _signed(item.second)]}
    return {"id": item.id.hex(), **_signed(item)}


def _signed(op: Op) -> dict[str, str]:
    return {"signed": op.signed.hex(), "signature": op.signature.hex()}


def _dumps(line: dict[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":"))
