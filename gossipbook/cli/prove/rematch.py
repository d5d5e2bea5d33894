"""``gossipbook rematch``: a certified chain once more, under another rule of matching."""

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from gossipbook.cli.operate.status import plain_table
from gossipbook.cli.output import console, json_option, print_json, reports_errors
from gossipbook.cli.prove.chain_source import Export, PastBlock
from gossipbook.ids import short
from gossipbook.manifest import Pair
from gossipbook.rematch.compare import RULES, AuthorBalance, Rematch, RuleResult
from gossipbook.rematch.compare import rematch as run_rematch
from gossipbook.trade.units import format_price, format_qty

SHOWN = 10  # winners, and losers


@click.command()
@click.argument("export", metavar="EXPORT", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--rule", type=click.Choice(list(RULES)), required=True, help="How orders meet instead.")
@click.option("--all", "everybody", is_flag=True, help=f"Show all authors, not the {SHOWN} who gain and lose most.")
@json_option
@reports_errors
def rematch(export: Path, rule: str, everybody: bool, as_json: bool) -> None:
    """Run an exported chain under another matching rule.

    Says who would have got what. The chain's own rule must come to the certified fills exactly, which is checked; the
    rest of an export is for `verify`.
    """
    with closing(Export(export)) as source:
        spec = source.manifest.pair(source.pair)
        outcome = run_rematch(source.manifest, source.pair, map(_Block, source.blocks()), rule)
    if as_json:
        print_json(_json(outcome))
    else:
        _show(outcome, spec, len(outcome.gains()) if everybody else SHOWN)


class _Block:
    """An export's block as the package wants it."""

    def __init__(self, past: PastBlock) -> None:
        self.height, self.time_ms = past.block.height, past.block.time_ms
        self.items, self.events = past.items, past.events


def _show(outcome: Rematch, pair: Pair, shown: int) -> None:
    console().print(
        f"{outcome.pair}: {outcome.blocks:,} blocks, {outcome.ops:,} ops; price-time comes to the certified fills"
    )
    table = plain_table(
        ("", "certified", outcome.rule, "difference"), numeric=("certified", outcome.rule, "difference")
    )
    for row in _rows(outcome, pair):
        table.add_row(*map(Text, row))
    console().print(table)
    changed = outcome.changed_orders()
    console().print(f"orders that got another quantity or price: {len(changed):,}", markup=False)
    gains = outcome.gains()
    if not any(gains.values()):
        return
    ranked = list(gains.items())
    best, worst = ranked[:shown], ranked[max(len(ranked) - shown, shown) :]
    people_columns = ("author", "bought", "sold", f"{outcome.rule}: bought", "sold ", "gain")
    people = plain_table(people_columns, numeric=people_columns[1:])
    for author, gain in [*best, *worst]:
        before, after = (result.balances.get(author, AuthorBalance()) for result in (outcome.certified, outcome.other))
        lots = (before.bought_lots, before.sold_lots, after.bought_lots, after.sold_lots)
        people.add_row(Text(f"{short(author)}…"), *(Text(format_qty(pair, n)) for n in lots), Text(_signed(gain)))
    console().print(people)
    console().print("gain: cash and, at the last certified price, position; in ticks times lots", markup=False)


def _rows(outcome: Rematch, pair: Pair) -> Iterator[tuple[str, str, str, str]]:
    before, after = outcome.certified, outcome.other
    yield "fills", f"{before.fills:,}", f"{after.fills:,}", _signed(after.fills - before.fills)
    volume = after.volume_lots - before.volume_lots
    sign = "-" if volume < 0 else "+" if volume else ""
    yield (
        "volume",
        format_qty(pair, before.volume_lots),
        format_qty(pair, after.volume_lots),
        sign + format_qty(pair, abs(volume)),
    )
    yield "average price", _average(before), _average(after), _drift(before, after)
    for name in ("low", "high", "last"):
        ticks = [int(getattr(result, f"{name}_ticks")) for result in (before, after)]
        said = [format_price(pair, price) if price else "-" for price in ticks]
        yield f"{name} price", said[0], said[1], f"{_signed(ticks[1] - ticks[0])} ticks" if all(ticks) else ""


def _average(result: RuleResult) -> str:
    return "-" if result.average_ticks is None else f"{_decimal(result.average_ticks)} ticks"


def _drift(before: RuleResult, after: RuleResult) -> str:
    if before.average_ticks is None or after.average_ticks is None:
        return ""
    drift = after.average_ticks - before.average_ticks
    return ("+" if drift > 0 else "") + _decimal(drift) + " ticks"


def _decimal(value: Fraction) -> str:
    """Three digits, rounded to the nearest."""
    thousandths = round(value * 1_000)
    whole, rest = divmod(abs(thousandths), 1_000)
    return f"{'-' if thousandths < 0 else ''}{whole:,}.{rest:03}"


def _signed(number: int) -> str:
    return f"{number:+,}" if number else "0"


def _json(outcome: Rematch) -> dict[str, Any]:
    return {
        "pair": outcome.pair,
        "rule": outcome.rule,
        "blocks": outcome.blocks,
        "ops": outcome.ops,
        "reproduced": True,
        "certified": _result_json(outcome.certified),
        "other": _result_json(outcome.other),
        "authors": [
            {
                "author": author.hex(),
                "gain_ticks_lots": gain,
                "certified": _balance_json(outcome.certified.balances.get(author, AuthorBalance())),
                "other": _balance_json(outcome.other.balances.get(author, AuthorBalance())),
            }
            for author, gain in outcome.gains().items()
        ],
        "orders": [
            {
                "order": f"{author.hex()}:{client_id}",
                "certified_lots": before.lots,
                "certified_value": before.value,
                "other_lots": after.lots,
                "other_value": after.value,
            }
            for (author, client_id), (before, after) in outcome.changed_orders().items()
        ],
    }


def _result_json(result: RuleResult) -> dict[str, Any]:
    average = result.average_ticks
    return {
        "fills": result.fills,
        "volume_lots": result.volume_lots,
        "value_ticks_lots": result.value,
        "average_ticks": None if average is None else _decimal(average).replace(",", ""),
        "low_ticks": result.low_ticks,
        "high_ticks": result.high_ticks,
        "last_ticks": result.last_ticks,
    }


def _balance_json(balance: AuthorBalance) -> dict[str, int]:
    return {
        "bought_lots": balance.bought_lots,
        "sold_lots": balance.sold_lots,
        "paid": balance.paid,
        "received": balance.received,
    }
