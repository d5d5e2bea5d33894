"""``gossipbook backup``, ``restore`` and ``upgrade``: a peer's folder in one file, and what becomes of it."""

import importlib.metadata
import time
from pathlib import Path
from typing import Any

import click

from gossipbook.cli.output import json_option, print_json, read_manifest, reports_errors, say
from gossipbook.consensus.committee import Committee
from gossipbook.ids import PublicKey
from gossipbook.manifest import Manifest
from gossipbook.storage.backup import NETWORK, restore_backup, write_backup
from gossipbook.storage.folder import PeerFolder
from gossipbook.storage.keys import load_key

VERSION = importlib.metadata.version("gossipbook")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@reports_errors
def backup(folder: Path, file: Path, as_json: bool) -> None:
    """Write a peer's folder to a file.

    The peer may run meanwhile. FILE holds the peer's keys and wallets: keep it as safe as they are.
    """
    contents = write_backup(folder, file, VERSION)
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size, "made_ms": contents["made_ms"], "files": len(contents["files"])})
        return
    say(f"{file}: {len(contents['files'])} files, {size:,} bytes; it holds secrets, and only you may read it")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@reports_errors
def restore(file: Path, folder: Path, as_json: bool) -> None:
    """Make a peer's folder of a backup.

    A restored seat does not vote: nobody can tell what it voted after the backup was taken. It says so.
    """
    contents = restore_backup(file, folder)
    manifest = read_manifest(folder / NETWORK)
    seats = seats_of(manifest, load_key(folder / "keys" / "peer.key").public_key)
    if as_json:
        print_json({"folder": str(folder), "made_ms": contents["made_ms"], "seats_that_do_not_vote": seats})
        return
    taken = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(contents["made_ms"] / 1_000))
    say(f"{folder}: as of {taken}; start it with: gossipbook start {folder}")
    if seats:
        say(f"Its seats in {', '.join(seats)} do NOT vote any more, and are absent for every quorum. What this key has")
        say("voted since the backup is not known, and to vote differently would be to lie. Orders, books and accounts")
        say("are served as before. A seat that votes needs a new key in the network's manifest.")
    say("Never run it beside the folder that the backup was taken of.")


def seats_of(manifest: Manifest, key: PublicKey) -> list[str]:
    """The pairs in whose committees a key has a seat."""
    committees = {symbol: Committee.of(manifest, manifest.chain_id, symbol) for symbol in manifest.symbols()}
    return [symbol for symbol, committee in committees.items() if committee.seat_of(key) is not None]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--backup", "file", type=click.Path(path_type=Path, dir_okay=False), help="Where the backup goes first.")
@json_option
@reports_errors
def upgrade(folder: Path, file: Path | None, as_json: bool) -> None:
    """Change a peer's folder over to this version.

    The peer is stopped before. A backup is made first, beside the folder unless told otherwise; a folder that a newer
    version has used is refused.
    """
    with PeerFolder(folder, take_over=False) as opened:
        before = opened.program or "an older version"
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        file = file or folder.absolute().with_name(f"{folder.absolute().name}-before-{VERSION}-{stamp}.backup")
        write_backup(folder, file, VERSION)
        identity = opened.identity()
        opened.open_journal(identity, _manifest(folder).chain_id).close()  # All of it is checked.
        opened.take_over()
    told: dict[str, Any] = {"folder": str(folder), "from": before, "to": VERSION, "backup": str(file)}
    if as_json:
        print_json(told)
    else:
        say(f"{folder}: from {before} to {VERSION}; as it was before: {file}")
        say(f"start it with: gossipbook start {folder}")


def _manifest(folder: Path) -> Manifest:
    from gossipbook.cli.operate.config import load_config

    return load_config(folder, {}).manifest(folder)
