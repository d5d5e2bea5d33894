"""Chains from nothing: a test says which ops go into which block, and all members sign."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from gossipbook.audit.writer import block_line, header
from gossipbook.consensus.block import make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import Certificate
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import Evidence, open_op
from gossipbook.manifest import Manifest
from tests.audit.support import Line, copy, seats_of, sign_votes

START_MS = 1_700_000_000_000


def build(
    manifest: Manifest,
    symbol: str,
    blocks: Sequence[Sequence[Item]],
    ordered: bool = True,
    obeyed: Manifest | None = None,
    after_ms: Sequence[int] = (),
) -> list[Line]:
    """An export of blocks of these items, in canonical order, 10 ms apart; nothing but the order is seen to.

    ``after_ms``: when each block is made instead, in ms after the start.

    The members execute by the manifest that is ``obeyed``, if they obey another one than they say.
    """
    seats = seats_of(manifest, symbol)
    certified = Interpretation(obeyed or manifest, symbol)
    lines: list[Line] = [header(manifest, symbol)]
    parent = seats.genesis
    for height, items in enumerate(blocks, 1):
        chosen = canonical_order(parent, items) if ordered else list(items)
        at_ms = after_ms[height - 1] if after_ms else 10 * height
        execution = certified.execute(START_MS + at_ms, chosen)
        certified.commit()
        block = make_block(
            chain_id=manifest.chain_id,
            epoch=0,
            pair=symbol,
            height=height,
            parent=parent,
            proposer=seats.leader(0),
            created_term=0,
            time_ms=execution.time_ms,
            op_ids=tuple(item.id for item in chosen),
            events_digest=execution.events_digest,
        )
        line = block_line(block, chosen, execution.events, Certificate(2, 0, height, block.id, ()))
        line["certificate"] = sign_votes(seats, line, range(seats.quorum))
        lines.append(line)
        parent = block.id
    return lines


def items_of(line: Line) -> list[Item]:
    items: list[Item] = []
    for listed in line["ops"]:
        parts = listed.get("evidence") or [listed]
        ops = [open_op(bytes.fromhex(p["signed"]), bytes.fromhex(p["signature"])) for p in parts]
        items.append(Evidence(*ops) if len(ops) == 2 else ops[0])
    return items


def execute(manifest: Manifest, symbol: str, before: Sequence[Line], line: Line) -> Line:
    """The line with the events that its ops, in the order listed, really lead to."""
    line = copy([line])[0]
    certified = Interpretation(manifest, symbol)
    for earlier in before:
        if earlier["kind"] == "block":
            certified.execute(earlier["time_ms"], items_of(earlier))
            certified.commit()
    execution = certified.execute(line["time_ms"], items_of(line))
    nothing: Any = SimpleNamespace(height=0, id=b"", raw=b"", time_ms=0, proposer=b"", created_term=0)
    line["events"] = block_line(nothing, [], execution.events, Certificate(2, 0, 0, b"", ()))["events"]
    return line
