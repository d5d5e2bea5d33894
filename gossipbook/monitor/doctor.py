"""What may be wrong with a peer's folder, its machine and its network, each with how it is mended."""

import json
import os
import resource
import socket
import stat
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from gossipbook.errors import ConfigError, GossipbookError
from gossipbook.limits import Timing
from gossipbook.monitor.health import DISK_LEAST_BYTES, free_bytes
from gossipbook.net.address import Address, parse_address, parse_host_port
from gossipbook.net.descriptors import LEAST_CONNECTIONS, OWN_DESCRIPTORS
from gossipbook.storage.keys import load_key

GOOD, WARNING, BAD = "good", "warning", "bad"
DISK_WANTED_BYTES: Final = 2 * 2**30
FSYNCS: Final = 20
FSYNC_SLOW_S: Final = 0.05
CONNECT_S: Final = 3.0
DESCRIPTORS_WANTED: Final = 1_024


class Finding(NamedTuple):
    """``about`` is a fixed word; ``mend`` is empty where nothing is wrong."""

    level: str
    about: str
    text: str
    mend: str = ""


def folder_findings(folder: Path) -> Iterator[Finding]:
    """Who may read what, and whether there is room."""
    try:
        key = load_key(folder / "keys" / "peer.key")
        yield Finding(GOOD, "key", f"peer {key.peer_id.hex()[:10]}")
    except GossipbookError as error:
        mend = f"chmod 600 {folder / 'keys' / 'peer.key'}" if "mode" in str(error) else "put the key file back"
        yield Finding(BAD, "permissions" if "mode" in str(error) else "key", str(error), mend)
    loose = [
        path
        for path in (folder / "keys", folder / "gateway", folder / "gateway" / "keys", *folder.glob("**/*.key*"))
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077 and path.name != "peer.key"
    ]
    for path in loose:
        wanted = "700" if path.is_dir() else "600"
        yield Finding(BAD, "permissions", f"{path} can be read by others", f"chmod {wanted} {path}")
    if not os.access(folder, os.W_OK):
        yield Finding(BAD, "permissions", f"{folder} cannot be written by this user", "run as the folder's owner")
        return
    yield from _disk_findings(folder)


def _disk_findings(folder: Path) -> Iterator[Finding]:
    free = free_bytes(folder)
    text = f"{free / 2**30:.1f} GiB free on the disk of {folder}"
    mend = "free some space, or move the folder to a larger disk while the peer is stopped"
    level = BAD if free < DISK_LEAST_BYTES else WARNING if free < DISK_WANTED_BYTES else GOOD
    yield Finding(level, "disk", text, "" if level == GOOD else mend)
    try:
        took_s = fsync_s(folder)
    except OSError as error:
        yield Finding(BAD, "disk", f"cannot write to {folder}: {error.strerror}", mend)
        return
    slow = took_s > FSYNC_SLOW_S
    text = f"a write is on disk within {1_000 * took_s:.1f} ms (median of {FSYNCS})"
    yield Finding(WARNING if slow else GOOD, "fsync", text, "use a faster disk, or one of its own" if slow else "")


def fsync_s(folder: Path) -> float:
    """How long a small write takes to be on disk, the median of some."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            began_s = time.monotonic()
            file.write(bytes(4_096))
            file.flush()
            os.fsync(file.fileno())
            took.append(time.monotonic() - began_s)
    return statistics.median(took)


def descriptor_findings(pid: int | None) -> Iterator[Finding]:
    """How many files and connections a process may have open: the running peer's, or this one's."""
    soft, whose = resource.getrlimit(resource.RLIMIT_NOFILE)[0], "this shell"
    if pid is not None:
        with suppress(OSError, ValueError, IndexError):
            lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
            row = next(line for line in lines if line.startswith("Max open files"))
            soft, whose = int(row.split()[3]), f"process {pid}"
    needed = OWN_DESCRIPTORS + LEAST_CONNECTIONS
    mend = f"ulimit -n {DESCRIPTORS_WANTED * 4}, or LimitNOFILE={DESCRIPTORS_WANTED * 4} in the unit, and start again"
    if soft < DESCRIPTORS_WANTED:
        level = BAD if soft < needed else WARNING
        yield Finding(level, "descriptors", f"{whose} may open {soft} files; a peer wants {DESCRIPTORS_WANTED}", mend)
    else:
        yield Finding(GOOD, "descriptors", f"{whose} may open {soft:,} files")


def port_findings(endpoint: dict[str, Any] | None, listen: str) -> Iterator[Finding]:
    """Whether the peer can be reached where it listens and where it tells others to dial; or its port is free."""
    if endpoint is None:
        host, port = parse_host_port(listen)
        try:
            with socket.create_server((host, port), family=_family(host), reuse_port=False):
                yield Finding(GOOD, "port", f"{listen} is free")
        except OSError as error:
            mend = "stop what has the port, or set another listen in config.toml"
            yield Finding(BAD, "port", f"cannot listen at {listen}: {error.strerror}", mend)
        return
    for text in dict.fromkeys([str(endpoint["listen"]), *map(str, endpoint.get("addresses", []))]):
        address = _parsed(text)
        if address is None:
            continue
        trouble = reach(address.host, address.port)
        mend = "open the port in the firewall and at the router, or correct advertise in config.toml"
        told = f"{text} is closed: {trouble}" if trouble else f"{text} can be reached"
        yield Finding(BAD if trouble else GOOD, "port", told, mend if trouble else "")


def reach(host: str, port: int) -> str:
    """Why nobody takes a connection there; empty if somebody does."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _parsed(text: str) -> Address | None:
    try:
        return parse_address(text)
    except ConfigError:
        return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


# -- what peers say -----------------------------------------------------------------------------------


def status_findings(status: dict[str, Any], timing: Timing, asked_ms: int) -> Iterator[Finding]:
    """What a running peer says of itself."""
    if status["clock_trouble"]:
        yield Finding(BAD, "clock", str(status["clock_trouble"]), "set the clock: run chrony or systemd-timesyncd")
    elif status["clock_offset_ms"] is None:
        yield Finding(WARNING, "clock", "no committee member has told its time yet", "see the findings about peers")
    else:
        yield Finding(GOOD, "clock", f"{status['clock_offset_ms']} ms from the committee's")
    apart_ms = abs(int(status.get("wall_ms", asked_ms)) - asked_ms)
    if apart_ms > timing.clock_tolerance_ms:
        text = f"the peer's clock and this program's are {apart_ms / 1_000:.1f} s apart"
        yield Finding(BAD, "clock", text, "set the clock: run chrony or systemd-timesyncd")
    links = int(status["links"])
    yield Finding(GOOD if links else BAD, "peers", f"{links} links", "" if links else "see bootstrap and peers")
    for row in status["pairs"]:
        yield from _pair_findings(row)
    if status["archive_trouble"]:
        yield Finding(WARNING, "archive", str(status["archive_trouble"]), "start the peer again")


def _pair_findings(row: dict[str, Any]) -> Iterator[Finding]:
    symbol, state = row["symbol"], row["state"]
    if state == "no-quorum":
        mend = "start the absent members, or mend the way to them: see gossipbook peers"
        yield Finding(BAD, "quorum", f"{symbol} has no quorum; absent: {', '.join(row['absent'])}", mend)
    elif state not in ("certifying", "syncing"):
        yield Finding(BAD, "quorum", f"{symbol} has stopped for good: {state}", "keep the folder, and report it")
    else:
        yield Finding(GOOD, "quorum", f"{symbol} is {state} at block {row['height']:,}, led by {row['leader']}")
    if row["observer_reason"]:
        mend = "a seat that votes needs a new key in the network's manifest"
        yield Finding(WARNING, "seat", f"{symbol}: this member does not vote: {row['observer_reason']}", mend)
    if row["time_trouble"]:
        yield Finding(WARNING, "clock", f"{symbol}: {row['time_trouble']}", "wait, or set this clock")


def divergence_findings(own: dict[str, Any], others: list[dict[str, Any]]) -> Iterator[Finding]:
    """Whether peers that are equally far tell the same events."""
    wrong = False
    for row in own["pairs"]:
        for other in others:
            theirs = next((each for each in other["pairs"] if each["symbol"] == row["symbol"]), None)
            if theirs is None or theirs["height"] != row["height"] or other["name"] == own["name"]:
                continue
            if theirs["events_digest"] != row["events_digest"]:
                wrong = True
                who = f"{own['name']} and {other['name']}"
                text = f"{row['symbol']}: {who} tell different events up to block {row['height']:,}"
                yield Finding(BAD, "divergence", text, "stop trading; export both chains and run gossipbook verify")
    if not wrong:
        yield Finding(GOOD, "divergence", f"{len(others)} peers were compared, and none differs")


def reach_findings(status: dict[str, Any], addresses: dict[str, list[str]]) -> Iterator[Finding]:
    """Whether the members that the peer misses can be reached from this machine."""
    absent = {name for row in status["pairs"] for name in row["absent"]}
    for name in sorted(absent):
        for text in addresses.get(name, []):
            address = _parsed(text)
            if address is not None and (trouble := reach(address.host, address.port)):
                mend = f"start {name}, or open the way to it"
                yield Finding(BAD, "peers", f"{name} cannot be reached at {text}: {trouble}", mend)


def read_json(path: Path) -> dict[str, Any] | None:
    """A small file of JSON; None if it is not there, or not whole."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content
