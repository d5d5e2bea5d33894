"""``gossipbook receipt verify``, and the group that it is in. Nothing here may bring the network or tables along."""

from pathlib import Path
from typing import Any

import click

from gossipbook.cli.lazy import Home, LazyGroup
from gossipbook.cli.output import fail, json_option, print_json, read_manifest, reports_errors, say
from gossipbook.cli.prove.event_words import as_json as event_json
from gossipbook.cli.prove.event_words import asked, clock, told
from gossipbook.errors import VerifyError
from gossipbook.ids import DIGEST_BYTES, ChainId, short
from gossipbook.receipt.format import RECEIPT_BYTES_CAP
from gossipbook.receipt.verifying import Proven, verify_receipt
from gossipbook.trade.units import format_qty

receipt = LazyGroup(
    "receipt",
    homes={
        "Commands": {
            "write": Home("prove.receipt_write", "Write the receipt of an order"),
            "verify": Home("prove.receipt", "Check a receipt, offline"),
        }
    },
    default="write",
    help="""Write and check the proof of one order.

    `gossipbook receipt PAIR CLIENT_ID` writes one small file that proves what became of the order;
    `gossipbook receipt verify FILE` checks it offline, trusting no peer.""",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--network",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The manifest of the network that you trust.",
)
@click.option("--chain-id", "chain", metavar="HEX", help="Or that network's chain id.")
@json_option
@reports_errors
def verify(file: Path, network: Path | None, chain: str | None, as_json: bool) -> None:
    """Check a receipt, offline.

    Exit code 0: FILE proves what is printed. 1: it proves nothing, and why.
    """
    trusted = _trusted(network, chain)
    try:
        with file.open("rb") as source:
            proven = verify_receipt(source.read(RECEIPT_BYTES_CAP + 1), trusted)
    except VerifyError as error:
        reason = str(error)
        if as_json:
            print_json({"verdict": "invalid", "reason": reason})
        fail(f"{file}: invalid: {reason}")
    if as_json:
        print_json(proven_json(proven))
    else:
        show_proven(proven, str(file))


def _trusted(network: Path | None, chain: str | None) -> ChainId | None:
    if network is not None and chain is not None:
        raise click.UsageError("give --network FILE or --chain-id HEX, not both")
    if network is not None:
        return read_manifest(network).chain_id
    if chain is None:
        return None
    try:
        trusted = bytes.fromhex(chain)
    except ValueError:
        trusted = b""
    if len(trusted) != DIGEST_BYTES:
        raise click.UsageError(f"--chain-id: a chain id has {2 * DIGEST_BYTES} hex digits")
    return trusted


def show_proven(proven: Proven, name: str) -> None:
    """Say what a receipt proves, and what not."""
    pair, author, client_id = proven.pair, proven.op.author, proven.client_id

    say(f"valid    {name}")
    pinned = "" if proven.pinned else " (not pinned)"
    say(f"network  {proven.network}, chain {proven.chain_id.hex()}{pinned}")
    say(f"order    {author.hex()}:{client_id}")
    say(f"asked    {asked(proven.command, pair)}, signed in op {short(proven.op.id)}…, seq {proven.op.seq}")
    for part in proven.blocks:
        noun = "event" if part.event_count == 1 else "events"
        shown = f"{part.event_count} {noun}, {'all' if part.whole else 'those of the order'} shown"
        say(f"block    {part.block.height:,}, {clock(part.block.time_ms)}, certified in term {part.certified_term} by "
            f"{', '.join(part.signers)}; {shown}")  # fmt: skip
        for event in part.events:
            say(f"         {told(event, author, client_id, pair)}")
    say(f"state    {_state(proven)}, as of block {proven.blocks[-1].block.height:,}")
    for line in not_shown(proven):
        say(f"note     {line}")


def _state(proven: Proven) -> str:
    life, pair = proven.life, proven.pair
    if not life.known:
        return "not summed up: it has events of kinds that this build does not know"
    reason = f" ({life.reason})" if life.reason else ""
    if life.status == "rejected":
        return f"rejected{reason}"
    filled, total = format_qty(pair, life.filled_lots), format_qty(pair, life.total_lots)
    gone = f", {format_qty(pair, life.cancelled_lots)} cancelled" if life.cancelled_lots else ""
    if life.accounted:
        return f"{life.status}{reason}: {filled} of {total} filled{gone}"
    if not life.open_lots:
        return f"{life.status}{reason}: at least {filled} of {total} filled{gone}"
    return f"open: at least {filled} of {total} filled{gone}, at most {format_qty(pair, life.open_lots)} open"


def not_shown(proven: Proven) -> list[str]:
    """What the reader must not take for proven."""
    lines = []
    if not proven.pinned:
        lines.append("the network itself is not pinned: anybody can make one. Name yours: --network FILE or --chain-id")
    if not proven.life.accounted:
        lines.append("that nothing else happened to the order, in blocks not shown or not shown whole, is not proven")
    if not proven.life.told:
        lines.append("by the rules of this network events do not tell what was before them: amends may be left out")
    return lines


def proven_json(proven: Proven) -> dict[str, Any]:
    """All that a receipt proves."""
    life = proven.life
    sums = ("status", "reason", "side", "price_ticks", "total_lots", "open_lots", "filled_lots", "cancelled_lots")
    return {
        "verdict": "valid",
        "network": proven.network,
        "chain_id": proven.chain_id.hex(),
        "pinned": proven.pinned,
        "pair": proven.pair.symbol,
        "author": proven.op.author.hex(),
        "client_id": proven.client_id,
        "order": f"{proven.op.author.hex()}:{proven.client_id}",
        "op_id": proven.op.id.hex(),
        "seq": proven.op.seq,
        "state": {name: getattr(life, name) for name in sums} if life.known else None,
        "accounted": life.accounted,
        "blocks": [
            {
                "height": part.block.height,
                "id": part.block.id.hex(),
                "time_ms": part.block.time_ms,
                "certified_term": part.certified_term,
                "signers": list(part.signers),
                "events": [event_json(event) for event in part.events],
                "events_in_block": part.event_count,
                "shown_whole": part.whole,
            }
            for part in proven.blocks
        ],
        "not_shown": not_shown(proven),
    }
