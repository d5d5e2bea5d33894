"""The causal timeline of one order: from a pair's replica what is not final, from the archive what is."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import trio

from gossipbook.crdt.command_code import encode_command
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError
from gossipbook.ids import PublicKey, short
from gossipbook.manifest import Manifest
from gossipbook.peer.explaining import arrival, pending_op, proposals, queue_place, waiting_for
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.receipt.making import Executed, entering_op
from gossipbook.receipt.order import concerns, entering, entry
from gossipbook.storage.archive import Past

if TYPE_CHECKING:
    from gossipbook.net.runtime import Runtime

ASK_AGAIN, ASK_AGAIN_S = 4, 0.05
FIRST_BLOCKS, LAST_BLOCKS = 30, 70
EVENTS_CAP = 300  # in all blocks together; an answer holds about so many


class NothingKnown(GossipbookError):
    """The order is not known here; the text says what is."""


async def explain_order(runtime: "Runtime", pair: PairReplica, author: PublicKey, client_id: int) -> dict[str, Any]:
    """All that a peer knows of one order, as JSON.

    Raises:
        NothingKnown: nothing.
        JournalError: its past cannot be read.
    """
    order = author, client_id
    op, blocks, left_out = await runtime.archivist.ask(lambda past: _past(past, pair, *order))
    for _ in range(ASK_AGAIN):  # It may be certified by the core, and not written yet.
        if op is not None or pending_op(pair, *order) is not None or pair.replica.last_order_id(author) < client_id:
            break
        await trio.sleep(ASK_AGAIN_S)
        op, blocks, left_out = await runtime.archivist.ask(lambda past: _past(past, pair, *order))
    state, absent = pair.state()
    pending = None if op is not None else pending_op(pair, *order)
    refusal = None if op is not None or pending is not None else pair.arrivals.refusal(*order)
    if op is None and pending is None and refusal is None and not blocks:
        last = pair.replica.last_order_id(author)
        ids = f"its author's last certified order is {last}" if last else "nothing of its author is certified"
        raise NothingKnown(
            f"no op that enters order {client_id} of {short(author)}… in {pair.symbol} has come here; {ids}"
        )
    known = op or pending
    place = queue_place(pair, *order)
    names = _names(runtime.manifest)
    came = None if known is None else arrival(pair, known.id)
    if came is not None:
        came["from"] = names.get(came["from"], came["from"][:10])
        came["held_by"] = [{"member": pair.committee.seats[seat].name, "time_ms": ms} for seat, ms in came["held_by"]]
    return {
        "pair": pair.symbol,
        "author": author.hex(),
        "client_id": client_id,
        "peer": names.get(runtime.identity.peer_id.hex(), short(runtime.identity.peer_id)),
        "height": pair.replica.fin,
        "state": state,
        "absent": absent,
        "op": None if known is None else _op(known, client_id),
        "arrival": came,
        "refused": None if refusal is None else {"time_ms": refusal.time_ms, "reason": refusal.reason},
        "proposed": [] if pending is None else proposals(pair, pending.id),
        "waiting_for": [] if pending is None else waiting_for(pair, pending),
        "blocks": blocks,
        "blocks_left_out": {"after": FIRST_BLOCKS, "count": left_out} if left_out else None,
        "rests": None if place is None else asdict(place),
    }


def _names(manifest: Manifest) -> dict[str, str]:
    return {matcher.peer_id.hex(): matcher.name for matcher in manifest.matchers}


def _op(op: Op, client_id: int) -> dict[str, Any]:
    command = entering(op, client_id)
    assert command is not None
    return {
        "id": op.id.hex(),
        "seq": op.seq,
        "expiry_ms": op.expiry_ms,
        "commands": len(op.commands),
        "command": encode_command(command),
    }


def _past(past: Past, pair: PairReplica, author: PublicKey, client_id: int) -> tuple[Op | None, list[Any], int]:
    """The order's op if it is certified, its blocks from first to last, and how many in the middle are left out."""
    heights = past.heights(pair.symbol, author, client_id)
    shown = heights
    if len(heights) > FIRST_BLOCKS + LAST_BLOCKS:
        shown = heights[:FIRST_BLOCKS] + heights[-LAST_BLOCKS:]
    op: Op | None = None
    blocks: list[Any] = []
    for height in shown:
        executed = past.block(pair.symbol, height, bodies=False)
        if entry(executed.events, author, client_id) is not None:
            op, blocks = entering_op(past.block(pair.symbol, height), author, client_id), []
        blocks.append(_block(executed, pair, (author, client_id), max(EVENTS_CAP // len(shown), 1)))
    return op, blocks, len(heights) - len(shown)


def _block(executed: Executed, pair: PairReplica, order: tuple[PublicKey, int], cap: int) -> dict[str, Any]:
    seats, block = pair.committee.seats, executed.block
    events = [event for event in executed.events if concerns(event, *order)]
    return {
        "height": block.height,
        "block_id": block.id.hex(),
        "time_ms": block.time_ms,
        "proposer": seats[pair.committee.leader(block.created_term)].name,
        "created_term": block.created_term,
        "certified_term": executed.fc.term,
        "signers": [seats[seat].name for seat, _ in executed.fc.signers],
        "final_ms": pair.arrivals.final_ms(block.height),
        "events": [[part.hex() if type(part) is bytes else part for part in event] for event in events[:cap]],
        "events_left_out": max(len(events) - cap, 0),
    }
