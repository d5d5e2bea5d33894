"""``gossipbook debug-bundle``: what helps others to help, in one file, without secrets."""

import importlib.metadata
import io
import json
import platform
import sqlite3
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from gossipbook.cli.connect import Target, ask_once, home_manifest
from gossipbook.cli.operate.doctor import findings
from gossipbook.cli.operate.endpoint import ENDPOINT_FILE, is_alive
from gossipbook.cli.output import json_option, print_json, reports_errors, say
from gossipbook.cli.whole_file import whole_file
from gossipbook.errors import ConfigError, GossipbookError
from gossipbook.monitor.doctor import read_json
from gossipbook.storage.sqlite import open_readonly

LOG_BYTES = 4 * 2**20
FETCH_S = 5.0


@click.command("debug-bundle")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--log", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A log file: its end goes in."
)
@json_option
@reports_errors
def debug_bundle(folder: Path, file: Path, log: Path | None, as_json: bool) -> None:
    """Write what helps others to help, without secrets.

    Into FILE, a .tar.gz: settings, manifest, versions, the doctor's findings, status, links, metrics and the end of a
    log; no keys, wallets, accounts or orders.
    """
    if file.exists():
        raise ConfigError(f"{file} exists; choose another name")
    parts = dict(_parts(folder, log))
    with whole_file(file) as out, tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, raw in parts.items():
            member = tarfile.TarInfo(f"gossipbook-debug/{name}")
            member.size, member.mtime, member.mode = len(raw), int(time.time()), 0o644
            tar.addfile(member, io.BytesIO(raw))
    if as_json:
        print_json({"file": str(file), "parts": {name: len(raw) for name, raw in parts.items()}})
    else:
        say(f"{file}: {', '.join(parts)}")


def _parts(folder: Path, log: Path | None) -> Iterator[tuple[str, bytes]]:
    yield "versions.json", _json(_versions())
    if (folder / "config.toml").exists():
        yield "config.toml", (folder / "config.toml").read_bytes()
    yield "doctor.json", _json(_tried(lambda: [finding._asdict() for finding in findings(folder)]))
    yield "manifest.json", _json(_tried(lambda: home_manifest(folder).to_dict()))
    yield "journal.json", _json(_tried(lambda: _journal(folder / "data" / "journal.db")))
    yield "files.json", _json({str(p.relative_to(folder)): _size(p) for p in sorted(folder.rglob("*"))})
    endpoint = read_json(folder / "data" / ENDPOINT_FILE)
    if endpoint is not None and is_alive(int(endpoint["pid"])):
        target = Target(home_manifest(folder), str(endpoint["listen"]), folder, int(endpoint["pid"]))
        for what in ("status", "peers"):
            yield f"{what}.json", _json(_tried(partial(ask_once, target, what)))
        if endpoint.get("monitor"):
            yield "metrics.txt", _fetch(f"{endpoint['monitor']}/metrics")
            yield "readyz.txt", _fetch(f"{endpoint['monitor']}/readyz")
    if log is not None:
        with log.open("rb") as source:
            source.seek(max(log.stat().st_size - LOG_BYTES, 0))
            yield "log.txt", source.read()


def _versions() -> dict[str, Any]:
    names = ("gossipbook", "trio", "trio-websocket", "kademlia", "cbor2", "PyNaCl", "cryptography", "sortedcontainers")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found | {"python": platform.python_version(), "platform": platform.platform()}


def _journal(path: Path) -> dict[str, Any]:
    connection = open_readonly(path)
    try:
        heights = connection.execute("SELECT pair, max(height), count(*) FROM finals GROUP BY pair").fetchall()
        observer, commits = connection.execute("SELECT observer, commits FROM meta").fetchone()
    finally:
        connection.close()
    return {"observer": observer, "commits": commits, "pairs": {row[0]: [row[1], row[2]] for row in heights}}


def _tried(read: Callable[[], Any]) -> Any:
    """What was read, or why it could not be: a bundle is made of what there is."""
    try:
        return read()
    except (GossipbookError, OSError, ValueError, sqlite3.Error) as error:
        return {"trouble": str(error)}


def _size(path: Path) -> int | str:
    try:
        return path.stat().st_size
    except OSError as error:  # It may have gone since it was listed, as a journal's -wal does.
        return str(error.strerror)


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=FETCH_S) as answer:
            return bytes(answer.read())
    except OSError as error:
        return f"{error}\n".encode()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, default=str).encode()
