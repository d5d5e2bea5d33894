"""``gossipbook doctor``: look for what is wrong with a peer, its machine and its network."""

import importlib.metadata
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gossipbook.cli.connect import ANSWER_S, Target, ask, reach
from gossipbook.cli.connect import run as run_conversation
from gossipbook.cli.operate.config import load_config
from gossipbook.cli.operate.endpoint import ENDPOINT_FILE, is_alive
from gossipbook.cli.output import json_option, print_json, reports_errors, say
from gossipbook.errors import GossipbookError
from gossipbook.exits import Exit
from gossipbook.manifest import Manifest
from gossipbook.monitor import doctor as look
from gossipbook.monitor.doctor import BAD, GOOD, WARNING, Finding

STYLES = {GOOD: "green", WARNING: "yellow", BAD: "bold red"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
@reports_errors
def doctor(folder: Path, as_json: bool) -> None:
    """Check a peer, its machine and its network.

    Its folder, its disk, its clock, its ports and its network. Each finding says how it is mended. Exit code 1 if
    something is bad. The peer need not run.
    """
    found = list(findings(folder))
    if as_json:
        print_json([finding._asdict() for finding in found])
    else:
        for finding in found:
            _say(finding)
    if any(finding.level == BAD for finding in found):
        sys.exit(Exit.BAD)


def _say(finding: Finding) -> None:
    say(f"{finding.level:8} {finding.about:12} {finding.text}", word=finding.level, style=STYLES[finding.level])
    if finding.mend:
        say(f"{'':21} → {finding.mend}")


def findings(folder: Path) -> Iterator[Finding]:
    version = importlib.metadata.version("gossipbook")
    yield Finding(GOOD, "version", f"gossipbook {version}, Python {platform.python_version()}, {platform.machine()}")
    yield from look.folder_findings(folder)
    try:
        config = load_config(folder, {})
        manifest = config.manifest(folder)
        yield Finding(GOOD, "config", f"network {manifest.name}, {len(manifest.pairs)} pairs")
    except GossipbookError as error:
        yield Finding(BAD, "config", str(error), "correct config.toml, or put the network's manifest back")
        return
    endpoint = look.read_json(folder / "data" / ENDPOINT_FILE)
    if endpoint is not None and not is_alive(int(endpoint["pid"])):
        endpoint = None
    yield from look.descriptor_findings(None if endpoint is None else int(endpoint["pid"]))
    yield from look.port_findings(endpoint, config.listen)
    if endpoint is None:
        yield Finding(WARNING, "peer", "the peer does not run", f"gossipbook start {folder}")
        return
    yield from _of_running(folder, manifest, endpoint)


def _of_running(folder: Path, manifest: Manifest, endpoint: dict[str, Any]) -> Iterator[Finding]:
    target = Target(manifest, str(endpoint["listen"]), folder, int(endpoint["pid"]))
    try:
        asked_ms = time.time_ns() // 1_000_000
        status, addresses, others = run_conversation(_ask_around, target)
    except GossipbookError as error:
        mend = f"look at process {endpoint['pid']} and its log; gossipbook debug-bundle {folder} gathers more"
        yield Finding(BAD, "peer", str(error), mend)
        return
    yield from look.status_findings(status, manifest.timing, asked_ms)
    yield from look.reach_findings(status, addresses)
    yield from look.divergence_findings(status, others)


async def _ask_around(
    target: Target,
) -> tuple[dict[str, Any], dict[str, list[str]], list[dict[str, Any]]]:
    """What the peer says of itself, where members can be dialled, and what other peers say."""
    async with reach(target) as client:
        status = await ask(client, target, "status")
        addresses: dict[str, list[str]] = {}
        for row in status["pairs"]:
            members = await ask(client, target, "members", row["symbol"])
            addresses |= {member["name"]: member["addresses"] for member in members["members"]}
    others = []
    for name, listed in addresses.items():
        if name != status["name"] and listed:
            try:
                async with reach(Target(target.manifest, listed[0])) as client:
                    others.append(await client.query("status", within_s=ANSWER_S))
            except GossipbookError:
                continue  # Who cannot be reached is among the absent, and told there.
    return status, addresses, others
