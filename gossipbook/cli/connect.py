"""The peer that a command talks to: how it is named, reached, and what is said when it does not answer."""

import errno
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click
import trio

from gossipbook.cli.operate.config import load_config
from gossipbook.cli.operate.endpoint import is_alive, read_endpoint
from gossipbook.cli.options import key_option
from gossipbook.cli.output import read_manifest, reports_errors
from gossipbook.errors import ConfigError, HandshakeError, KeyFileError, LinkClosed, NoAnswer
from gossipbook.ids import PublicKey
from gossipbook.manifest import Manifest
from gossipbook.storage.keys import load_key
from gossipbook.trade.client import Client
from gossipbook.trade.connections import LINKS_LEAST
from gossipbook.trade.opening import open_client

ANSWER_S = 5.0
"""For connecting, and for each answer."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A peer to talk to.

    ``home``: its folder, if it was named by that; ``pid``: its process, as that folder says. ``accept_fewer``: sign
    though the wallet was lost and fewer committee members than a quorum say what the key signed.
    """

    manifest: Manifest
    address: str
    home: Path | None = None
    pid: int | None = None
    accept_fewer: bool = False

    @property
    def own_key(self) -> PublicKey | None:
        """The peer's public key, if its folder is ours: its word then needs no proof."""
        try:
            return None if self.home is None else load_key(self.home / "keys" / "peer.key").public_key
        except KeyFileError:
            return None

    @property
    def name(self) -> str:
        return f"the peer at {self.address}" if self.home is None else f"the peer of {self.home}"

    def refreshed(self) -> "Target":
        """Where the peer is now: after a restart its folder may name another port."""
        if self.pid is None or self.home is None:
            return self
        endpoint = read_endpoint(self.home)
        return replace(self, address=str(endpoint["listen"]), pid=int(endpoint["pid"]))

    def absent(self, detail: str) -> NoAnswer:
        """Return the error for a peer that cannot be reached."""
        if self.home is None:
            return NoAnswer(f"no answer at {self.address} ({detail}). Is that peer running?")
        gone = self.pid is not None and not is_alive(self.pid)
        known = f"it is not running (process {self.pid} is gone)" if gone else f"no answer at {self.address} ({detail})"
        return NoAnswer(f"{self.name}: {known}. Start it with: gossipbook start {self.home}")

    def silent(self) -> NoAnswer:
        """Return the error for a peer that takes connections and says nothing."""
        process = "" if self.pid is None else f" Look at process {self.pid}: is it stopped or overloaded?"
        return NoAnswer(f"{self.name} did not answer within {ANSWER_S:.0f} s.{process}")


def find_target(home: Path | None, address: str | None, network: Path | None) -> Target:
    """The peer that the options name. An explicit address goes before a folder's.

    Raises:
        ConfigError: the folder's peer was never started, or its manifest cannot be read.
        click.UsageError: nothing names a peer.
    """
    if home is None and address is None:
        raise click.UsageError("name a peer: --home FOLDER (or GOSSIPBOOK_HOME), or --peer ADDRESS with --network FILE")
    if network is not None:
        manifest = read_manifest(network)
    elif home is not None:
        manifest = home_manifest(home)
    else:
        raise click.UsageError("--peer needs --network FILE: the manifest of the network that the peer belongs to")
    if address is not None:
        return Target(manifest, address)
    assert home is not None
    endpoint = read_endpoint(home)
    return Target(manifest, str(endpoint["listen"]), home, int(endpoint["pid"]))


def home_manifest(home: Path) -> Manifest:
    """The manifest that a peer's folder names."""
    if not (home / "config.toml").exists() and not (home / "keys").exists():
        inside = sorted(str(config.parent) for config in home.glob("*/config.toml"))
        hint = f"did you mean {inside[0]}?" if inside else "make some with: gossipbook network init FOLDER"
        raise ConfigError(f"{home} is not a peer's folder: it has neither config.toml nor keys; {hint}")
    return load_config(home, {}).manifest(home)


home_option = click.option(
    "--home",
    envvar="GOSSIPBOOK_HOME",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The peer's folder.  [env: GOSSIPBOOK_HOME]",
)


def peer_options(command: Callable[..., T]) -> Callable[..., T]:
    """Options that name a peer; the command gets it as ``target``. Errors are reported as by ``reports_errors``."""

    @functools.wraps(command)
    def wrapped(*args: Any, home: Path | None, address: str | None, network: Path | None, **kwargs: Any) -> T:
        return command(*args, target=find_target(home, address, network), **kwargs)

    network_type = click.Path(path_type=Path, exists=True, dir_okay=False)
    for option in (
        click.option("--network", type=network_type, help="The manifest file.  [default: the folder's]"),
        click.option("--peer", "address", metavar="ADDRESS", help="ws://host:port or wss://host:port of a peer."),
        home_option,
    ):
        wrapped = option(wrapped)
    return reports_errors(wrapped)


def signing_options(command: Callable[..., T]) -> Callable[..., T]:
    """Options of commands that sign: the author's ``key``, and the peer as ``target``."""

    @functools.wraps(command)
    def wrapped(*args: Any, target: Target, accept_fewer: bool, **kwargs: Any) -> T:
        return command(*args, target=replace(target, accept_fewer=accept_fewer), **kwargs)

    return key_option(accept_fewer_option(peer_options(wrapped)))


accept_fewer_option = click.option(
    "--accept-fewer-answers",
    "accept_fewer",
    is_flag=True,
    help="If the wallet beside the key was lost: sign though fewer members than a quorum say what the key signed "
    "before. Can freeze the key for good.",
)


@asynccontextmanager
async def reach(target: Target) -> AsyncIterator[Client]:
    """A client of the target for the length of the block.

    Raises:
        NoAnswer: nobody there within :data:`ANSWER_S`, or of another network.
    """
    reached = False
    with trio.CancelScope(deadline=trio.current_time() + ANSWER_S) as scope:
        try:
            own_key = target.own_key
            links = 1 if own_key is not None else LINKS_LEAST
            async with open_client(
                target.address, manifest=target.manifest, own_key=own_key, links=links, within_s=ANSWER_S
            ) as client:
                reached = True
                scope.deadline = float("inf")
                yield client
        except LinkClosed as error:
            if reached:
                raise NoAnswer(f"the link to {target.name} ended: {error}") from None
            raise target.absent(str(error).removeprefix(f"cannot reach {target.address}: ")) from None
        except HandshakeError as error:
            raise NoAnswer(f"{target.name}, at {target.address}, refused the link: {error}") from None
    if scope.cancelled_caught:
        raise target.silent()


async def ask(client: Client, target: Target, what: str, *arguments: str) -> Any:
    """Ask the target one question; return the answer, or fail after a few seconds."""
    try:
        return await client.query(what, *arguments, within_s=ANSWER_S)
    except NoAnswer:
        raise (target.silent() if client.connections.links else target.absent(client.why_unlinked())) from None


def run(conversation: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Run a conversation to its end. Ctrl-C, or a reader of our output that went away, ends it without a traceback.

    Raises:
        click.Abort: the user pressed Ctrl-C.
        BrokenPipeError: nobody reads standard output any more; click then exits quietly.
    """
    result: list[T] = []
    unread = False
    try:
        result.append(trio.run(conversation, *arguments))
    except* KeyboardInterrupt:
        pass
    except* BrokenPipeError:
        unread = True
    if unread:
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output")
    if not result:
        raise click.Abort
    return result[0]


def ask_once(target: Target, what: str, *arguments: str) -> Any:
    """Connect, ask one question, disconnect."""

    async def conversation() -> Any:
        async with reach(target) as client:
            return await ask(client, target, what, *arguments)

    return run(conversation)
