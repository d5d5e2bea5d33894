"""``gossipbook group``: authors whose orders do not trade with each other."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from gossipbook.cli.connect import Target, run, signing_options
from gossipbook.cli.lazy import CommandGroup
from gossipbook.cli.options import LEVELS, public_key, timeout_option, wait_option
from gossipbook.cli.output import json_option
from gossipbook.cli.trade.outcome import Effect, report_each
from gossipbook.cli.trade.submitting import OpReport, submit_each
from gossipbook.ids import PublicKey
from gossipbook.manifest import Pair
from gossipbook.matching.commands import AdmitToGroup, Command, JoinGroup
from gossipbook.matching.events import Grouped

T = TypeVar("T")

CONSENT = {
    0: "neither side wants it now",
    1: "asked to join; the owner has yet to admit them",
    2: "admitted; they have yet to join",
    3: "a member",
}


@click.group(cls=CommandGroup)
def group() -> None:
    """Keep some authors from trading with each other.

    Orders of a group do not meet; it takes both sides to make a member. A group is known by its owner's key. A KEY is a
    public key or a key file. Each command is for all pairs of the network, or for those named with --pair.
    """


def group_options(command: Callable[..., T]) -> Callable[..., T]:
    for option in (json_option, timeout_option, wait_option, _pair_option, signing_options):
        command = option(command)
    return command


_pair_option = click.option("--pair", "pairs", multiple=True, metavar="PAIR", help="Only there. Repeat for more.")


@group.command()
@click.argument("owner", metavar="KEY", type=public_key)
@group_options
def join(
    owner: PublicKey, key: Path, target: Target, pairs: tuple[str, ...], wait: str, timeout_s: float, as_json: bool
) -> None:
    """Ask to be in the group of an author.

    That of the author KEY, and in no other.
    """
    _tell(JoinGroup(owner), f"join the group of {owner.hex()}", key, target, pairs, wait, timeout_s, as_json)


@group.command()
@group_options
def leave(key: Path, target: Target, pairs: tuple[str, ...], wait: str, timeout_s: float, as_json: bool) -> None:
    """Leave the group of another author."""
    _tell(JoinGroup(b""), "leave the group", key, target, pairs, wait, timeout_s, as_json)


@group.command()
@click.argument("member", metavar="KEY", type=public_key)
@group_options
def admit(
    member: PublicKey, key: Path, target: Target, pairs: tuple[str, ...], wait: str, timeout_s: float, as_json: bool
) -> None:
    """Admit an author to the own group.

    The author KEY is in it as soon as they ask for it too.
    """
    _tell(AdmitToGroup(member, 1), f"admit {member.hex()}", key, target, pairs, wait, timeout_s, as_json)


@group.command()
@click.argument("member", metavar="KEY", type=public_key)
@group_options
def expel(
    member: PublicKey, key: Path, target: Target, pairs: tuple[str, ...], wait: str, timeout_s: float, as_json: bool
) -> None:
    """Expel an author from the own group.

    The author KEY is in it no more.
    """
    _tell(AdmitToGroup(member, 0), f"expel {member.hex()}", key, target, pairs, wait, timeout_s, as_json)


def _tell(
    command: Command,
    what: str,
    key: Path,
    target: Target,
    pairs: tuple[str, ...],
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    chosen = [target.manifest.pair(pair).symbol for pair in dict.fromkeys(pairs)] or target.manifest.symbols()
    sent = run(submit_each, target, key, chosen, lambda _: [command], 0, LEVELS[wait], timeout_s)
    report_each(sent, target.manifest, what, wait, as_json, read_grouped)


def read_grouped(outcome: OpReport, _spec: Pair) -> Effect:
    """Where member and owner stand after the op."""
    found = [event for event in outcome.events or () if isinstance(event, Grouped)]
    if not found:
        return Effect("not known here", {"member": None, "owner": None, "consent": None})
    event = found[-1]
    fields = {"member": event.member.hex(), "owner": event.owner.hex(), "consent": event.consent}
    return Effect(CONSENT[event.consent] if event.owner else "in no other group", fields)
