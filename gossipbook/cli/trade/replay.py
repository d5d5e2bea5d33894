"""``gossipbook replay``: send recorded or generated order flow to a running network, and measure."""

import os
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import trio
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gossipbook.cli.connect import ANSWER_S, Target, ask, peer_options, reach
from gossipbook.cli.connect import run as run_conversation
from gossipbook.cli.options import Seconds
from gossipbook.cli.output import error_console, fail, json_option, print_json, print_table
from gossipbook.demo.source import MAKERS, TAKERS
from gossipbook.demo.traders import Floor
from gossipbook.demo.verdict import quantiles
from gossipbook.demo.witness import Witness
from gossipbook.errors import ConfigError, GossipbookError
from gossipbook.flow import Flow, generated_flow, lobster_flow
from gossipbook.identity import SEED_BYTES, Identity

DEFAULT_COMMANDS = 1_000
REDRAW_S = 0.2
STALLED_S = 3.0


@click.command()
@click.argument("pair")
@click.option("--flow", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A LOBSTER message file.")
@click.option(
    "--orderbook", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The flow's orderbook file."
)
@click.option("--limit", type=click.IntRange(1), help=f"So many commands.  [default: {DEFAULT_COMMANDS}, or the file]")
@click.option("--ops-per-s", type=Seconds(0.1), help="Pace.  [default: as fast as back-pressure allows]")
@click.option("--commands-per-op", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option("--also", multiple=True, help="Address of another peer to submit through. Repeat for more.")
@click.option("--acks", type=click.Path(path_type=Path), help="Write every acknowledgement here, for `verify --acks`.")
@click.option("--seed", type=int, default=None, help="Of the generated flow and the authors' keys.  [default: random]")
@json_option
@peer_options
def replay(target: Target, pair: str, **options: Any) -> None:
    """Trade recorded or generated order flow.

    A dozen new authors trade PAIR until all that they sent is certified. Of a recorded flow, what the network filled is
    compared with what the recording filled. The network orders what arrives at the same time by rules of its own: it
    keeps the recorded order only at a pace that leaves it the time.
    """
    if options["orderbook"] and not options["flow"]:
        raise click.UsageError("--orderbook needs --flow: the message file that it belongs to")
    if pair not in target.manifest.symbols():
        raise ConfigError(f"no pair {pair!r} in network {target.manifest.name!r}; it has {target.manifest.symbols()}")
    with TemporaryDirectory() as scratch:
        acks = options["acks"] or Path(scratch) / "acks.ndjson"
        floor, recording = run_conversation(_trade, target, pair, options, acks)
    tally = floor.tally
    seconds = max(tally.last_certified_s - tally.first_submit_s, 1e-9)
    latency = quantiles(tally)
    row = {
        "pair": pair,
        "certified_ops": tally.ops_certified,
        "certified_commands": tally.commands_submitted,
        "commands_per_s": round(tally.commands_submitted / seconds, 1),
        "certify_ms": latency,
        "refusals": tally.refusals,
    }
    if recording is not None:
        row["recording"] = recording
    if floor.failures:
        fail(floor.failures[0])
    if options["as_json"]:
        print_json(row)
    else:
        print_table(
            pair,
            ["what", "result"],
            [
                ("certified", f"{tally.ops_certified:,} ops with {tally.commands_submitted:,} commands"),
                ("throughput", f"{row['commands_per_s']:,} commands/s"),
                ("submit to certified", f"p50 {latency['p50']} ms, p99 {latency['p99']} ms"),
                *(_recording_rows(recording) if recording else []),
            ],
        )


def _recording_rows(recording: dict[str, Any]) -> list[tuple[str, str]]:
    takes = f"{recording['takes_reproduced']:,} of {recording['takes']:,} by order id"
    if recording["takes_mended"]:
        takes += f", {recording['takes_mended']:,} of them after an order moved aside"
    return [
        ("recorded takes", takes + ("" if recording["complete"] else "; not all events were seen")),
        ("filled, not recorded", f"{recording['phantom_lots']:,} lots"),
        ("orders taken out", f"{recording['orders_taken_out']:,}"),
        ("commands refused", f"{recording['commands_refused']:,}"),
    ]


async def _trade(target: Target, pair: str, options: dict[str, Any], acks: Path) -> tuple[Floor, dict[str, Any] | None]:
    """Trade to the end. The second is what became of a recorded flow."""
    seed = options["seed"]
    limit = options["limit"] or (None if options["flow"] else DEFAULT_COMMANDS)
    async with reach(target) as client:
        await ask(client, target, "status")  # A peer that does not answer is reported before anything is signed.
        floor = Floor(
            chain_id=target.manifest.chain_id,
            addresses=[target.address, *options["also"]],
            client=Identity(os.urandom(SEED_BYTES)),
            authors=MAKERS + TAKERS,
            commands_per_op=options["commands_per_op"],
            ops_per_s=options["ops_per_s"],
            seed=seed,
            acks_file=acks,
        )
        flow: Flow = generated_flow(seed or 1, makers=MAKERS, takers=TAKERS)
        witness = None
        if options["flow"]:
            flow = recorded = lobster_flow(
                options["flow"], orderbook=options["orderbook"], makers=MAKERS, takers=TAKERS
            )
            authors = {trader.identity.public_key: index for index, trader in enumerate(floor.traders)}
            witness = Witness(client.blocks(pair), recorded.audit(), authors)
        stream = ((pair, step) for step in islice(chain(flow.prelude, flow.steps), limit))
        recording = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(floor.run)
            nursery.start_soon(_show, target, pair, floor, limit)
            if witness is not None:
                nursery.start_soon(witness.run)
            await floor.feed(stream, {})
            await floor.drained()
            if witness is not None:
                complete = await witness.saw_all(floor.tally.last_height, ANSWER_S)
                recording = {**asdict(witness.audit.figures()), "complete": complete}
            nursery.cancel_scope.cancel()
    floor.close()
    return floor, recording


async def _show(target: Target, pair: str, floor: Floor, limit: int | None) -> None:
    """Progress on standard error, and why there is none when there is none."""
    console = error_console()
    columns = (TextColumn("submitted"), BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=limit)
        certified, since_s = -1, trio.current_time()
        while True:
            tally = floor.tally
            if tally.ops_certified != certified:
                certified, since_s = tally.ops_certified, trio.current_time()
            elif trio.current_time() - since_s > STALLED_S:
                since_s = trio.current_time()
                progress.console.print(await _why_stalled(target, pair, floor), markup=False)
            done = f"{tally.ops_certified} ops certified"
            progress.update(task, completed=tally.commands_submitted, description=done)
            await trio.sleep(REDRAW_S)


async def _why_stalled(target: Target, pair: str, floor: Floor) -> str:
    waiting = f"{floor.tally.ops_certified} of {floor.tally.ops_submitted} ops certified"
    try:
        async with reach(target) as client:
            status = await ask(client, target, "status")
    except GossipbookError as error:
        return f"{waiting}: {error}"
    found = next(row for row in status["pairs"] if row["symbol"] == pair)
    absent = f", absent: {', '.join(found['absent'])}" if found["absent"] else ""
    return f"{waiting}: {pair} is {found['state']}{absent}"
