"""The causes of a violation: the ops, blocks and votes that led to the fill at its height."""

from dataclasses import dataclass

from gossipbook.run_report.recording import BlockNote, OpNote, OrderKey, Recording
from gossipbook.sim.checkers import Violation

ROWS_CAP = 80
FILLS_CAP = 2
KINDS = ("op", "vote", "block", "fill")


@dataclass(frozen=True, slots=True)
class CausalStep:
    """One line of the causes. ``kind`` is one of :data:`KINDS`."""

    at_us: int
    kind: str
    text: str


def way_to(recording: Recording, violation: Violation) -> list[CausalStep]:
    """Return the causes in order of time; none if the violation names no height or nothing is known of it."""
    blocks = [b for b in recording.blocks if (b.pair, b.height) == (violation.pair, violation.height)]
    if not blocks:
        return []
    placed = {(op.pair, op.key, client_id): op for op in recording.ops for client_id in op.places}
    steps: list[CausalStep] = []
    for maker, taker, price, lots in offending(blocks):
        for role, key in (("maker", maker), ("taker", taker)):
            steps += _op_steps(recording, role, key, placed.get(key))
        text = f"{_order(recording, taker)} meets {_order(recording, maker)}: {lots} lots at {price} ticks"
        at_us = min(b.first_us for b in blocks if any(f[:2] == (maker, taker) for f in b.fills))
        steps.append(CausalStep(at_us, "fill", text))
    for block in blocks:
        steps += _block_steps(recording, block)
    steps += _vote_steps(recording, blocks)
    found = sorted(dict.fromkeys(steps), key=lambda step: (step.at_us, KINDS.index(step.kind), step.text))
    return found[:ROWS_CAP]


def offending(blocks: list[BlockNote]) -> list[tuple[OrderKey, OrderKey, int, int]]:
    """Return the fills most likely to blame: of orders that several of the blocks fill, else the first ones."""
    seen: dict[OrderKey, int] = {}
    for block in blocks:
        for key in {key for fill in block.fills for key in fill[:2]}:
            seen[key] = seen.get(key, 0) + 1
    fills = [fill for block in blocks for fill in block.fills]
    twice = [fill for fill in fills if max(seen[fill[0]], seen[fill[1]]) > 1]
    return (twice or fills)[:FILLS_CAP]


def _order(recording: Recording, key: OrderKey) -> str:
    return f"{recording.authors.get(key[1], key[1].hex()[:8])}'s order {key[2]}"


def _op_steps(recording: Recording, role: str, key: OrderKey, op: OpNote | None) -> list[CausalStep]:
    if op is None:
        return []
    what = "; ".join(op.commands[:4]) + (" …" if len(op.commands) > 4 else "")
    steps = [
        CausalStep(
            op.signed_us, "op", f"{op.author} signs op {op.seq}, the {role}'s, and sends it to {op.home}: {what}"
        )
    ]
    if op.durable_us >= 0:
        steps.append(CausalStep(op.durable_us, "op", f"{op.author} hears that op {op.seq} is durable"))
    if op.final_us >= 0:
        steps.append(CausalStep(op.final_us, "op", f"op {op.seq} of {op.author} is final in block {op.height}"))
    return steps


def _block_steps(recording: Recording, block: BlockNote) -> list[CausalStep]:
    name = block.id.hex()[:8]
    signers = ", ".join(recording.members[seat] for seat in block.signers)
    hosts = ", ".join(block.hosts[:8]) + (" …" if len(block.hosts) > 8 else "")
    text = (
        f"block {block.height} ({name}, on {block.parent.hex()[:8]}), proposed by {block.proposer} in term "
        f"{block.created_term}, {len(block.op_ids)} ops, {len(block.fills)} fills: first final at {block.first_at}, by "
        f"votes of term {block.final_term} from {signers}; final at {hosts}"
    )
    return [CausalStep(block.first_us, "block", text)]


def _vote_steps(recording: Recording, blocks: list[BlockNote]) -> list[CausalStep]:
    """Return the votes at the height, one line for all votes of one kind, term and block."""
    pair, height = blocks[0].pair, blocks[0].height
    groups: dict[tuple[str, int, bytes], list[tuple[int, str]]] = {}
    for vote in recording.votes.get((pair, height), ()):
        groups.setdefault((vote.kind, vote.term, vote.block_id), []).append((vote.at_us, recording.members[vote.seat]))
    steps = []
    for (kind, term, block_id), cast in groups.items():
        cast.sort()
        who = ", ".join(name for _, name in cast)
        steps.append(
            CausalStep(cast[0][0], "vote", f"{kind} for {block_id.hex()[:8]} in term {term}, first sent by: {who}")
        )
    return steps
