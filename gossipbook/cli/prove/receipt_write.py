"""``gossipbook receipt PAIR CLIENT_ID``: from a running peer, from a peer's folder, or from an export."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import click
import trio

from gossipbook.cli.connect import Target, find_target, home_manifest, home_option, reach, run
from gossipbook.cli.output import json_option, print_json, read_manifest, reports_errors
from gossipbook.cli.prove.chain_source import Export, check_chain, replayed
from gossipbook.cli.prove.receipt import proven_json, show_proven
from gossipbook.cli.trade.order_options import order_options
from gossipbook.cli.whole_file import whole_file
from gossipbook.errors import JournalError, VerifyError
from gossipbook.ids import ChainId, PublicKey, short
from gossipbook.receipt.making import chained, make_receipt
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.storage.archive import Past
from gossipbook.storage.folder import PeerFolder

RECEIPT_S = 30.0
"""For a peer to make and send a receipt."""


class _Order(NamedTuple):
    pair: str
    author: PublicKey
    client_id: int

    def file(self) -> Path:
        return Path(f"{self.pair.replace('/', '-')}-{short(self.author)}-{self.client_id}.receipt")


@click.command()
@order_options
@home_option
@click.option("--peer", "address", metavar="ADDRESS", help="ws://host:port or wss://host:port of a peer.")
@click.option(
    "--network",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The manifest file.  [default: the folder's, or the export's]",
)
@click.option("--offline", is_flag=True, help="Read the folder's files, whether its peer runs or not.")
@click.option(
    "--export",
    "export_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take it out of an export, which needs no peer.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File.  [default: PAIR-AUTHOR-CLIENT_ID.receipt]",
)
@json_option
@reports_errors
def write(
    pair: str,
    client_id: int,
    author: PublicKey,
    home: Path | None,
    address: str | None,
    network: Path | None,
    offline: bool,
    export_file: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Write the receipt of an order.

    It is one small file that proves to anybody what became of the order CLIENT_ID of PAIR.
    """
    order = _Order(pair, author, client_id)
    if export_file is not None:
        chain_id, raw = _from_export(export_file, network, order)
    elif offline:
        if home is None:
            raise click.UsageError("--offline needs --home FOLDER, or GOSSIPBOOK_HOME")
        chain_id, raw = _from_folder(home, order)
    else:
        target = find_target(home, address, network)
        target.manifest.pair(pair)
        chain_id, raw = target.manifest.chain_id, run(_from_peer, target, order)
    proven = verify_receipt(raw, chain_id)
    file = output or order.file()
    _write(file, raw)
    if as_json:
        print_json({"file": str(file), "bytes": len(raw), **proven_json(proven)})
    else:
        show_proven(proven, f"{file}, {len(raw):,} bytes")


async def _from_peer(target: Target, order: _Order) -> bytes:
    async with reach(target) as client:
        with trio.move_on_after(RECEIPT_S):
            return await client.receipt(*order)
    raise target.silent()


def _from_folder(home: Path, order: _Order) -> tuple[ChainId, bytes]:
    """By the archive of events if that is complete, else by executing the whole chain again."""
    manifest = home_manifest(home)
    manifest.pair(order.pair)
    data = PeerFolder(home).data
    check_chain(data / "journal.db", manifest)
    try:
        with closing(Past(data, manifest.epoch)) as past:
            if past.complete(order.pair):
                return manifest.chain_id, make_receipt(manifest, order.author, order.client_id, past.blocks(*order))
    except (JournalError, sqlite3.Error):
        pass  # The journal alone will do.
    blocks = chained(replayed(data / "journal.db", manifest, order.pair))
    return manifest.chain_id, make_receipt(manifest, order.author, order.client_id, blocks)


def _from_export(file: Path, network: Path | None, order: _Order) -> tuple[ChainId, bytes]:
    with closing(Export(file)) as export:
        if export.pair != order.pair:
            raise VerifyError(f"{file} is an export of {export.pair}, not of {order.pair}")
        blocks = chained(export.blocks())
        raw = make_receipt(export.manifest, order.author, order.client_id, blocks)
    return (export.manifest if network is None else read_manifest(network)).chain_id, raw


def _write(file: Path, raw: bytes) -> None:
    with whole_file(file) as whole:
        whole.write(raw)
