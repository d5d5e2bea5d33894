"""``gossipbook explain``: what a peer knows of one order, as a timeline."""

from collections import deque
from collections.abc import Iterator
from typing import Any

import click

from gossipbook.cli.connect import Target, ask_once, peer_options
from gossipbook.cli.output import json_option, print_json, say
from gossipbook.cli.prove.event_words import as_json as event_json
from gossipbook.cli.prove.event_words import asked, clock, told
from gossipbook.cli.trade.order_options import order_options
from gossipbook.crdt.command_code import decode_command
from gossipbook.errors import DecodeError
from gossipbook.ids import PublicKey
from gossipbook.manifest import Pair
from gossipbook.matching.events import RawEvent
from gossipbook.trade.units import format_price, format_qty

BLANK = " " * len(clock(0))


@click.command()
@order_options
@peer_options
@json_option
def explain(pair: str, client_id: int, author: PublicKey, target: Target, as_json: bool) -> None:
    """Tell the story of one order.

    How the order CLIENT_ID of PAIR came, each of its events and why it waits, as one peer knows it. Times of blocks are
    their leaders', all others the peer's own. What a peer says is not proven: see `receipt`.
    """
    spec = target.manifest.pair(pair)
    story = ask_once(target, "explain", pair, author.hex(), str(client_id))
    if as_json:
        for block in story["blocks"]:
            block["events"] = [event_json(_event(event)) for event in block["events"]]
        print_json(story)
        return
    for line in tell(story, author, spec):
        say(line)


def tell(story: Any, author: PublicKey, pair: Pair) -> Iterator[str]:
    """The lines of a story."""
    yield f"order    {story['author']}:{story['client_id']} in {pair.symbol}"
    yield f"told by  {story['peer']}, height {story['height']:,}, {story['state']}"
    op = story["op"]
    if op is not None:
        yield f"asked    {_asked(op['command'], pair)}"
        alone = "" if op["commands"] == 1 else f", one of {op['commands']} commands"
        expires = f", void after {clock(op['expiry_ms'])}" if op["expiry_ms"] else ""
        yield f"signed   by its author in op {op['id'][:10]}…, sequence number {op['seq']}{alone}{expires}"
    yield ""
    yield from _arrival(story)
    holders = _Holders(story)
    for number, block in enumerate(story["blocks"]):
        if (gap := story["blocks_left_out"]) and number == gap["after"]:
            yield f"{BLANK}  … {gap['count']:,} blocks with events of it in between …"
        yield from _block(block, holders, author, story["client_id"], pair)
    yield from holders.told()
    for proposal in story["proposed"]:
        where = f"block {proposal['height']:,}, term {proposal['term']}, not certified yet"
        yield f"{clock(proposal['time_ms'])}  proposed by {proposal['proposer']} in {where}"
    for reason in story["waiting_for"]:
        yield f"{'waits':{len(BLANK)}}  {reason}"
    if rests := story["rests"]:
        yield f"{'now':{len(BLANK)}}  {_rests(rests, pair)}"


def _arrival(story: Any) -> Iterator[str]:
    came, refused = story["arrival"], story["refused"]
    if refused is not None:
        yield f"{clock(refused['time_ms'])}  refused by this peer: {refused['reason']}"
    if came is None:
        if story["op"] is not None:
            yield f"{BLANK}  received: long ago, or before this peer was last started"
        return
    sender = f", {came['from']}" if came["from"] else ""
    parked = "; parked until what comes before it is here" if came["outcome"] == "parked" else ""
    forked = "; another op of its author has its sequence number" if came["outcome"] == "equivocation" else ""
    yield f"{clock(came['time_ms'])}  received {came['how']}{sender}{parked}{forked}"
    if came["stored_ms"]:
        yield f"{clock(came['stored_ms'])}  stored with all that comes before it"


class _Holders:
    """Who else said that they hold the op; each is told once, at its time."""

    def __init__(self, story: Any) -> None:
        came = story["arrival"]
        self._left = deque(came["held_by"] if came is not None else ())

    def told(self, before_ms: int = 0) -> Iterator[str]:
        """Those who said so before a time, or all who are left."""
        while self._left and not 0 < before_ms <= self._left[0]["time_ms"]:
            holder = self._left.popleft()
            yield f"{clock(holder['time_ms'])}  {holder['member']} says that it holds it too"


def _block(block: Any, holders: _Holders, author: PublicKey, client_id: int, pair: Pair) -> Iterator[str]:
    term = block["created_term"]
    yield from holders.told(block["time_ms"])
    yield f"{clock(block['time_ms'])}  proposed by {block['proposer']} in block {block['height']:,}, term {term}"
    if block["final_ms"]:
        yield from holders.told(block["final_ms"])
    when = clock(block["final_ms"]) if block["final_ms"] else BLANK
    yield f"{when}  certified in term {block['certified_term']} by {', '.join(block['signers'])}"
    for event in block["events"]:
        yield f"{BLANK}    {told(_event(event), author, client_id, pair)}"
    if block["events_left_out"]:
        yield f"{BLANK}    … and {block['events_left_out']:,} more events of it"


def _rests(rests: Any, pair: Pair) -> str:
    qty, price = format_qty(pair, rests["open_lots"]), format_price(pair, rests["price_ticks"])
    if not rests["orders_ahead"]:
        return f"rests with {qty} open at {price}, first in the queue"
    noun = "order" if rests["orders_ahead"] == 1 else "orders"
    ahead = f"{rests['orders_ahead']:,} {noun} with {format_qty(pair, rests['lots_ahead'])} ahead of it"
    return f"rests with {qty} open at {price}, {ahead}"


def _asked(command: list[int], pair: Pair) -> str:
    try:
        return asked(decode_command(command), pair)
    except DecodeError:
        return f"command {command[0]}, which this build does not know"


def _event(event: list[Any]) -> RawEvent:
    return tuple(bytes.fromhex(part) if isinstance(part, str) else part for part in event)
