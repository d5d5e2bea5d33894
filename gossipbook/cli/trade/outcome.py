"""How an op fared, for people and for programs: an order's fills and state, or what another command brought about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from gossipbook.cli.options import LEVELS
from gossipbook.cli.output import console, fail, print_json
from gossipbook.cli.trade.submitting import OpReport, Sent
from gossipbook.client_messages import AckLevel
from gossipbook.manifest import Manifest, Pair
from gossipbook.matching.events import Accepted, Amended, CancelCause, Cancelled, Fill
from gossipbook.trade.units import format_price, format_qty

STATUS_STYLES = {"filled": "green", "open": "cyan", "rejected": "bold red"}
AGAIN = "Look again with 'gossipbook status' and 'gossipbook order show'; the next order of this key sends it again."


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command that is no order's brought about: a line of words, and keys for the JSON."""

    words: str
    fields: dict[str, Any]


ReadEffect = Callable[[OpReport, Pair], Effect]


def read_cancelled(outcome: OpReport, _spec: Pair) -> Effect:
    """The orders that a cancel-all took out."""
    cause = CancelCause.CANCEL_ALL
    gone = [e.client_id for e in outcome.events or () if isinstance(e, Cancelled) and e.cause == cause]
    return Effect(
        f"{len(gone):,} cancelled" + (f": {', '.join(map(str, gone))}" if gone else ""), {"cancelled_ids": gone}
    )


def report(
    outcome: OpReport, spec: Pair, what: str, wait: str, as_json: bool, read: ReadEffect = read_cancelled
) -> None:
    """Say how an op fared; exit 1 if the book refused it, or if it did not get as far as was asked.

    ``read`` says what a command that names no order did.
    """
    client_id = int(getattr(outcome.op.commands[0], "client_id", 0))
    refusal = outcome.refusal(client_id)
    if as_json:
        print_json(outcome_json(outcome, spec, read))
    else:
        _show_outcome(outcome, spec, client_id, what, refusal, read)
    if refusal:
        fail(f"refused: {refusal}")
    if outcome.level < LEVELS[wait]:
        fate = "on its way" if outcome.level else "may have arrived"
        fail(f"not {wait}: {outcome.trouble}.\nDo not repeat it: the op is signed and {fate}. {AGAIN}")


def report_each(sent: Sent, manifest: Manifest, what: str, wait: str, as_json: bool, read: ReadEffect) -> None:
    """As :func:`report`, of one op a pair; exit 1 if not all is well everywhere."""
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    if not as_json:
        console().print(f"author  {sent.author.hex()}\n        {what}", markup=False)
    for pair, outcome in sent.reports.items():
        spec = manifest.pair(pair)
        refusal = outcome.refusal(0)
        fault = refusal or (outcome.trouble if outcome.level < LEVELS[wait] else "")
        if fault:
            faults.append(f"{pair}: {fault}")
        rows.append(outcome_json(outcome, spec, read))
        if not as_json:
            words = f"rejected ({refusal})" if refusal else read(outcome, spec).words if outcome.events else "pending"
            console().print(f"{pair}  {_level(outcome)}: {words}", markup=False)
    for pair in sent.skipped if not as_json else ():
        console().print(f"{pair}  nothing to do", markup=False)
    if as_json:
        failed = {pair: str(error) for pair, error in sent.failed.items()}
        print_json({"author": sent.author.hex(), "pairs": rows, "skipped": sent.skipped, "failed": failed})
    faults += [f"{pair}: {error}" for pair, error in sent.failed.items()]
    if faults:
        late = any(not outcome.refusal(0) for outcome in sent.reports.values() if outcome.level < LEVELS[wait])
        fail("\n".join(faults) + (f"\nWhat is signed is on its way: do not repeat it. {AGAIN}" if late else ""))


def _level(outcome: OpReport) -> str:
    level = outcome.level.name.lower() if outcome.level else "sent"
    return level + (f" at height {outcome.height:,}" if outcome.height else "")


def _show_outcome(outcome: OpReport, spec: Pair, client_id: int, what: str, refusal: str, read: ReadEffect) -> None:
    author = outcome.op.author.hex()
    console().print(f"order   {author}:{client_id}" if client_id else f"author  {author}", markup=False)
    console().print(f"        {what}", markup=False)
    again = f", {outcome.resent} earlier sent again" if outcome.resent else ""
    console().print(f"level   {_level(outcome)} after {outcome.elapsed_ms:,} ms{again}", markup=False)
    if slid := _slid_to(outcome, client_id):
        console().print(f"slid    to {format_price(spec, slid)}", markup=False)
    for qty, price in _fills(outcome, spec, client_id):
        console().print(f"fill    {qty} at {price}", markup=False)
    if refusal and (not outcome.order or outcome.order["status"] == "rejected"):
        console().print(Text("state   ") + Text("rejected", "bold red") + Text(f" ({refusal})"))
    elif not client_id and outcome.events is not None:
        console().print(f"state   {read(outcome, spec).words}", markup=False)
    elif outcome.order:
        console().print(Text("state   ") + state_line(outcome.order, spec))
    else:
        console().print("state   pending" if outcome.level is not AckLevel.CERTIFIED else "state   not known here")


def state_line(state: dict[str, Any], spec: Pair) -> Text:
    """What became of an order, in words."""
    status = state["status"]
    line = Text(status, style=STATUS_STYLES.get(status, "yellow"))
    if status == "waiting":
        line.append(f" for a trade at {format_price(spec, state['stop_ticks'])}", style="default")
    elif status == "triggered":
        line.append(", in line to enter the book", style="default")
    elif state["triggered"] and status == "open":
        line.append(" since its stop was triggered", style="default")
    if state["reason"]:
        line.append(f" ({state['reason']})", style="default")
    if status == "filled":
        line.append(f": {format_qty(spec, state['filled_lots'])}", style="default")
    elif status != "rejected":
        parts = [f"{format_qty(spec, state['filled_lots'])} of {format_qty(spec, state['qty_lots'])} filled"]
        left = ((key, state[f"{key}_lots"]) for key in ("open", "cancelled"))
        parts += [f"{format_qty(spec, lots)} {key}" for key, lots in left if lots]
        line.append(f": {', '.join(parts)}", style="default")
        if state["hidden_lots"]:
            shown, hidden = state["open_lots"] - state["hidden_lots"], state["hidden_lots"]
            line.append(f" (an iceberg: {format_qty(spec, shown)} shown, {format_qty(spec, hidden)} hidden)")
    return line


def _slid_to(outcome: OpReport, client_id: int) -> int:
    """The price in ticks that a post-only order got instead of its own; 0 if it got its own."""
    asked = getattr(outcome.op.commands[0], "price_ticks", 0)
    for event in outcome.events or ():
        if isinstance(event, Accepted | Amended) and event.client_id == client_id and asked:
            return 0 if event.price_ticks == asked else event.price_ticks
    return 0


def _fills(outcome: OpReport, spec: Pair, client_id: int) -> list[tuple[str, str]]:
    """What the order took on arrival: (quantity, price) a price level."""
    taken: dict[int, int] = {}
    author = outcome.op.author
    for event in outcome.events or ():
        if isinstance(event, Fill) and (event.taker, event.taker_client_id) == (author, client_id):
            taken[event.price_ticks] = taken.get(event.price_ticks, 0) + event.qty_lots
    return [(format_qty(spec, lots), format_price(spec, ticks)) for ticks, lots in taken.items()]


def outcome_json(outcome: OpReport, spec: Pair, read: ReadEffect) -> dict[str, Any]:
    """How an op fared, for programs."""
    client_id = int(getattr(outcome.op.commands[0], "client_id", 0))
    value: dict[str, Any] = {
        "pair": spec.symbol,
        "author": outcome.op.author.hex(),
        "client_id": client_id or None,
        "order": f"{outcome.op.author.hex()}:{client_id}" if client_id else None,
        "op_id": outcome.op.id.hex(),
        "seq": outcome.op.seq,
        "level": outcome.level.name.lower() if outcome.level else "sent",
        "height": outcome.height,
        "elapsed_ms": outcome.elapsed_ms,
        "resent": outcome.resent,
        "rejected": outcome.refusal(client_id),
        "trouble": outcome.trouble,
    }
    if client_id:
        fills = [{"qty": qty, "price": price} for qty, price in _fills(outcome, spec, client_id)]
        return value | {"fills": fills, "state": order_json(outcome.order, spec) if outcome.order else None}
    return value | read(outcome, spec).fields


def order_json(state: dict[str, Any], spec: Pair) -> dict[str, Any]:
    """An order's state with decimals beside ticks and lots."""
    decimals = {"price": format_price(spec, state["price_ticks"])}
    decimals["stop"] = format_price(spec, state["stop_ticks"])
    for key in ("qty", "open", "filled", "cancelled", "hidden"):
        decimals[key] = format_qty(spec, state[f"{key}_lots"])
    return state | decimals
