"""How an op fared, for people and for programs: an order's fills and state, or what another command brought about.

What becomes of an op is one of three things, as in the library: it is *refused* (nothing was signed), its outcome is
*unknown* so far (it is signed and goes on being sent), or it is *certified*, with what it did or why the book rejected
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gossipbook.cli.options import LEVELS
from gossipbook.cli.output import fail, print_json, say
from gossipbook.cli.trade.submitting import OpReport, Sent
from gossipbook.client_messages import AckLevel
from gossipbook.exits import Exit
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
    words = f"{len(gone):,} cancelled: {', '.join(map(str, gone))}" if gone else "nothing to cancel"
    return Effect(words, {"cancelled_ids": gone})


def report(
    outcome: OpReport, spec: Pair, what: str, wait: str, as_json: bool, read: ReadEffect = read_cancelled
) -> None:
    """Say how an op fared; exit badly if the book rejected it, or if it is not known to be as far as was asked.

    ``read`` says what a command that names no order did.
    """
    client_id = int(getattr(outcome.op.commands[0], "client_id", 0))
    refusal = outcome.refusal(client_id)
    if as_json:
        print_json(outcome_json(outcome, spec, read))
    else:
        _show_outcome(outcome, spec, client_id, what, refusal, read)
    if refusal:
        fail(f"certified, and rejected by the book: {refusal}")
    if outcome.level < LEVELS[wait]:
        fate = "on its way" if outcome.level else "may have arrived"
        why = f"the outcome is unknown: not {wait}: {outcome.trouble}"
        fail(f"{why}.\nDo not repeat it: the op is signed and {fate}. {AGAIN}", Exit.UNKNOWN)


def report_each(sent: Sent, manifest: Manifest, what: str, wait: str, as_json: bool, read: ReadEffect) -> None:
    """As :func:`report`, of one op a pair; the exit is bad if anything is, and unknown if only that."""
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    bad = bool(sent.failed)
    if not as_json:
        say(f"author  {sent.author.hex()}\n        {what}")
    for pair, outcome in sent.reports.items():
        spec = manifest.pair(pair)
        refusal = outcome.refusal(0)
        fault = refusal or (outcome.trouble if outcome.level < LEVELS[wait] else "")
        if fault:
            faults.append(f"{pair}: {fault}")
        bad = bad or bool(refusal)
        rows.append(outcome_json(outcome, spec, read))
        if not as_json:
            known = outcome.events is not None
            words = f"rejected ({refusal})" if refusal else read(outcome, spec).words if known else "not certified yet"
            say(f"{pair}  {_level(outcome)}: {words}")
    for pair in sent.skipped if not as_json else ():
        say(f"{pair}  nothing to do")
    if as_json:
        failed = {pair: str(error) for pair, error in sent.failed.items()}
        print_json({"author": sent.author.hex(), "pairs": rows, "skipped": sent.skipped, "failed": failed})
    faults += [f"{pair}: {error}" for pair, error in sent.failed.items()]
    if faults:
        late = any(not outcome.refusal(0) for outcome in sent.reports.values() if outcome.level < LEVELS[wait])
        unknown = f"The outcome is unknown where an op is not {wait}: it is signed and goes on being sent. {AGAIN}"
        fail("\n".join([*faults, unknown] if late else faults), Exit.BAD if bad or not late else Exit.UNKNOWN)


def _level(outcome: OpReport) -> str:
    level = outcome.level.name.lower() if outcome.level else "sent"
    if outcome.level is AckLevel.PREPARED:
        return f"{level}, which is not final: it may be taken back"
    return level + (f" at height {outcome.height:,}" if outcome.height else "")


def _show_outcome(outcome: OpReport, spec: Pair, client_id: int, what: str, refusal: str, read: ReadEffect) -> None:
    author = outcome.op.author.hex()
    say(f"order   {author}:{client_id}" if client_id else f"author  {author}")
    say(f"        {what}")
    again = f", {outcome.resent} earlier sent again" if outcome.resent else ""
    say(f"level   {_level(outcome)} after {outcome.elapsed_ms:,} ms{again}")
    if slid := _slid_to(outcome, client_id):
        say(f"slid    to {format_price(spec, slid)}")
    for qty, price in _fills(outcome, spec, client_id):
        say(f"fill    {qty} at {price}")
    if refusal and (not outcome.order or outcome.order["status"] == "rejected"):
        say(f"state   rejected ({refusal})", word="rejected", style="bold red")
    elif not client_id and outcome.events is not None:
        say(f"state   {read(outcome, spec).words}")
    elif outcome.order:
        say_state("state   ", outcome.order, spec)
    else:
        say("state   pending" if outcome.level is not AckLevel.CERTIFIED else "state   not known here")


def say_state(label: str, state: dict[str, Any], spec: Pair) -> None:
    """Say what became of an order."""
    status = str(state["status"])
    say(f"{label}{state_line(state, spec)}", word=status, style=STATUS_STYLES.get(status, "yellow"))


def state_line(state: dict[str, Any], spec: Pair) -> str:
    """What became of an order, in words."""
    status = state["status"]
    line = str(status)
    if status == "waiting":
        line += f" for a trade at {format_price(spec, state['stop_ticks'])}"
    elif status == "triggered":
        line += ", in line to enter the book"
    elif state["triggered"] and status == "open":
        line += " since its stop was triggered"
    if state["reason"]:
        line += f" ({state['reason']})"
    if status == "filled":
        return f"{line}: {format_qty(spec, state['filled_lots'])}"
    if status == "rejected":
        return line
    parts = [f"{format_qty(spec, state['filled_lots'])} of {format_qty(spec, state['qty_lots'])} filled"]
    left = ((key, state[f"{key}_lots"]) for key in ("open", "cancelled"))
    parts += [f"{format_qty(spec, lots)} {key}" for key, lots in left if lots]
    line += f": {', '.join(parts)}"
    if state["hidden_lots"]:
        shown, hidden = state["open_lots"] - state["hidden_lots"], state["hidden_lots"]
        line += f" (an iceberg: {format_qty(spec, shown)} shown, {format_qty(spec, hidden)} hidden)"
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
        "outcome": "certified" if outcome.level is AckLevel.CERTIFIED else "unknown",
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
