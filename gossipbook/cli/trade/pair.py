"""``gossipbook pair``: what a pair takes now; and a warden's word on it."""

import time
from pathlib import Path
from typing import Any

import click

from gossipbook.cli.connect import Target, ask_once, peer_options, signing_options
from gossipbook.cli.lazy import CommandGroup
from gossipbook.cli.operate.status import TRADING, span_text
from gossipbook.cli.options import public_key, timeout_option, wait_option
from gossipbook.cli.output import fail, json_option, print_json, say
from gossipbook.cli.trade.lease import clock
from gossipbook.cli.trade.outcome import Effect, report
from gossipbook.cli.trade.submitting import OpReport, send
from gossipbook.ids import PublicKey
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest
from gossipbook.manifest import Pair as Spec
from gossipbook.matching.events import PairStateSet, Uncrossed
from gossipbook.storage.keys import load_key
from gossipbook.trade.tickets import STATES, require_rules, set_state
from gossipbook.trade.units import format_price, format_qty

BPS = 10_000


@click.group(cls=CommandGroup)
def pair() -> None:
    """Show or set what a pair takes.

    Orders, only cancels, nothing; or orders for an auction.
    """


@pair.command()
@click.argument("symbol", metavar="PAIR")
@click.argument("word", metavar="|".join(STATES), type=click.Choice(list(STATES)))
@signing_options
@wait_option
@timeout_option
@json_option
def state(symbol: str, word: str, key: Path, target: Target, wait: str, timeout_s: float, as_json: bool) -> None:
    """Set what a pair takes, as a warden.

    It holds from the next block on; the key is a warden's. In an auction orders rest without matching; to open the pair
    again trades what crosses at one price.
    """
    spec = target.manifest.pair(symbol)
    command = set_state(word)
    require_rules(target.manifest, [command])
    warden = load_key(key).public_key
    if warden not in target.manifest.wardens:
        count = len(target.manifest.wardens)
        known = f"it has {count}, and this key is none of them" if count else "it has none"
        fail(f"only a warden of network {target.manifest.name!r} sets a pair's state: {known}. Nothing was sent.")
    outcome = send(target, key, symbol, lambda _: [command], 0, wait, timeout_s)
    report(outcome, spec, f"set {symbol} {word}", wait, as_json, read_state)


def read_state(outcome: OpReport, spec: Spec) -> Effect:
    """The state that was set, and at what price the pair opened."""
    states = [event.state for event in outcome.events or () if isinstance(event, PairStateSet)]
    words = {state.value: word for word, state in STATES.items()}
    word = words[states[-1]] if states else None
    fields: dict[str, Any] = {"trading": word, "uncrossed": None}
    said = f"{spec.symbol} is {TRADING[word]}" if word else "not known here"
    for event in outcome.events or ():
        if isinstance(event, Uncrossed):
            price, qty = format_price(spec, event.price_ticks), format_qty(spec, event.qty_lots)
            fields["uncrossed"] = {"price": price, "qty": qty}
            said += f"; {qty} traded at {price}"
    return Effect(said, fields)


@pair.command()
@click.argument("symbol", metavar="PAIR")
@click.option("--key", "author", metavar="KEY", type=public_key, help="Public key or key file: what is theirs, too.")
@peer_options
@json_option
def show(symbol: str, author: PublicKey | None, target: Target, as_json: bool) -> None:
    """Show what a pair takes, its prices and limits.

    With --key, an author's lease, group and orders there too.
    """
    spec = target.manifest.pair(symbol)
    answer = ask_once(target, "pair", symbol, author.hex() if author else "")
    if as_json:
        print_json(_pair_json(answer, spec, target.manifest))
        return
    for title, text in _lines(answer, spec, target.manifest):
        say(f"{title:<11} {text}")


def _lines(answer: Any, spec: Spec, manifest: Manifest) -> list[tuple[str, str]]:
    """What there is to know, as titles and texts."""
    stops = f"{answer['waiting']:,} stops waiting, {answer['triggered']:,} in line"
    lines = [
        (spec.symbol, f"{answer['trading']}, {answer['state']} at height {answer['height']:,}"),
        ("orders", f"{answer['open_orders']:,} open, of these {stops}"),
    ]
    last = answer["last_trade_ticks"]
    lines.append(("last trade", format_price(spec, last) if last else "none yet"))
    lines.append(("price band", _band_text(answer, spec)))
    lines.append(("limits", _limits_text(spec, manifest.limits)))
    wardens = ", ".join(f"{key.hex()[:10]}…" for key in manifest.wardens)
    lines.append(("wardens", wardens or "none: the pair is always open"))
    if answer["own"] is not None:
        lines += _own_lines(answer["author"], answer["own"])
    return lines


def _band_text(answer: Any, spec: Spec) -> str:
    if not spec.price_band_bps:
        return "none"
    width = f"{spec.price_band_bps / 100:g} %"
    if not answer["reference_ticks"]:
        return f"{width}, once there has been a trade"
    most, least = (format_price(spec, ticks) for ticks in band_ticks(spec, answer["reference_ticks"]))
    reference = format_price(spec, answer["reference_ticks"])
    return f"{width} of the reference {reference}: bids up to {most}, offers down to {least}"


def band_ticks(spec: Spec, reference_ticks: int) -> tuple[int, int]:
    """The highest bid and the lowest offer that the price band allows."""
    most = reference_ticks * (BPS + spec.price_band_bps) // BPS
    least = max(-(-reference_ticks * (BPS - spec.price_band_bps) // BPS), 1)
    return min(most, spec.max_price_ticks), least


def _limits_text(spec: Spec, limits: Limits) -> str:
    least, most = (format_qty(spec, lots) for lots in (spec.min_qty_lots, spec.max_qty_lots))
    rate = limits.max_commands_per_author_per_s
    parts = [
        f"quantity {least} to {most}",
        f"price to {format_price(spec, spec.max_price_ticks)}",
        f"{limits.max_open_orders_per_author:,} open orders an author",
        f"{rate:,} commands a second an author" if rate else "no rate limit",
    ]
    return ", ".join(parts)


def _own_lines(author: str, own: Any) -> list[tuple[str, str]]:
    lines = [("author", f"{author}: {own['open_orders']:,} open orders")]
    until_ms = own["lease_until_ms"]
    if until_ms:
        left_ms = until_ms - time.time_ns() // 1_000_000
        left = f"in {span_text(left_ms / 1_000)}" if left_ms > 0 else "over: the next block cancels"
        lines.append(("lease", f"until {clock(until_ms)}, block time ({left})"))
    else:
        lines.append(("lease", "none: orders stay until they are cancelled"))
    if own["owner"] != author:
        lines.append(("group", f"of {own['owner']}"))
    elif own["members"]:
        lines.append(("group", "the own one, with " + ", ".join(own["members"])))
    else:
        lines.append(("group", "none"))
    if own["wants"] and own["owner"] == author:
        lines.append(("", f"asked to join {own['wants']}, who has yet to admit"))
    invited = [key for key in own["admitted"] if key not in own["members"]]
    if invited:
        lines.append(("", "admitted, and yet to join: " + ", ".join(invited)))
    return lines


def _pair_json(answer: Any, spec: Spec, manifest: Manifest) -> Any:
    """The peer's answer, with decimals and what the manifest says."""
    reference, last = answer["reference_ticks"], answer["last_trade_ticks"]
    band = None
    if spec.price_band_bps and reference:
        most, least = band_ticks(spec, reference)
        band = {"bids_up_to": format_price(spec, most), "offers_down_to": format_price(spec, least)}
    limits = manifest.limits
    return answer | {
        "reference_price": format_price(spec, reference) if reference else None,
        "last_price": format_price(spec, last) if last else None,
        "price_band_bps": spec.price_band_bps,
        "price_band": band,
        "limits": {
            "min_qty": format_qty(spec, spec.min_qty_lots),
            "max_qty": format_qty(spec, spec.max_qty_lots),
            "max_price": format_price(spec, spec.max_price_ticks),
            "max_open_orders": limits.max_open_orders_per_author,
            "max_commands_per_s": limits.max_commands_per_author_per_s or None,
        },
        "wardens": [key.hex() for key in manifest.wardens],
    }
