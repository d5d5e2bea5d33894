"""Peers as processes on loopback, one of them possibly under another command, and authors who trade with them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tomli_w
import trio

from gossipbook.cli.operate.config import write_config
from gossipbook.consensus.committee import Committee
from gossipbook.identity import Identity
from gossipbook.limits import Timing
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.storage.keys import create_key
from gossipbook.trade.client import Client
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

PEER = [sys.executable, "-m", "gossipbook"]
READY_S = 30.0
STOP_S = 20.0
POLL_S = 0.02


async def until(condition: Callable[[], bool], what: str, within_s: float) -> None:
    """Poll until something is so; fail when it is not in time."""
    with trio.move_on_after(within_s):
        while not condition():  # noqa: ASYNC110 - another process cannot set an event
            await trio.sleep(POLL_S)
        return
    raise AssertionError(f"not within {within_s:.0f} s: {what}")


class PeerProcess:
    """One peer; with its command's children in a process group of its own."""

    def __init__(self, name: str, folder: Path, identity: Identity) -> None:
        self.name, self.folder, self.identity = name, folder, identity
        self.command = PEER
        self.address = ""
        self.dht = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def launch(self, bootstrap: str | None = None) -> None:
        """Start it without waiting for it."""
        local = "127.0.0.1:0"
        values: dict[str, Any] = {"network": "../network.toml", "preset": "local", "listen": local, "dht_listen": local}
        if bootstrap:
            values["bootstrap"] = [bootstrap]
        write_config(self.folder, values)
        (self.data / "endpoint.json").unlink(missing_ok=True)
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, "start", str(self.folder), "--json"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    async def start(self, bootstrap: str | None = None) -> None:
        self.launch(bootstrap)
        await until(lambda: self._endpoint() is not None or not self.up, f"{self.name} is ready", READY_S)
        endpoint = self._endpoint()
        assert endpoint is not None, f"{self.name} ended: {self.log()}"
        self.address, self.dht, self.pid = endpoint["listen"], endpoint["dht"], endpoint["pid"]

    @property
    def up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def stop(self) -> int:
        """SIGTERM to the peer itself; the exit code of its command."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        assert self._process is not None
        await until(lambda: not self.up, f"{self.name} has stopped: {self.log()}", STOP_S)
        return int(self._process.returncode)

    def kill(self) -> None:
        """SIGKILL, to whatever else runs in its group too."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def log(self) -> str:
        return (self.folder / "log.txt").read_text(errors="replace")

    def _endpoint(self) -> dict[str, Any] | None:
        try:
            endpoint: dict[str, Any] = json.loads((self.data / "endpoint.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return endpoint


class Network:
    """Peers that are all seated, their manifest, and who leads what."""

    def __init__(self, folder: Path, count: int, pairs: tuple[str, ...]) -> None:
        attempt = 0
        while True:  # until the pairs do not all have one leader
            homes = {f"peer{i}": folder / str(attempt) / f"peer{i}" for i in range(count)}
            keys = {name: create_key(home / "keys" / "peer.key") for name, home in homes.items()}
            self.manifest = Manifest(
                name="durability",
                pairs=tuple(Pair(symbol) for symbol in pairs),
                matchers=tuple(Matcher(name, key.public_key, name) for name, key in keys.items()),
                committee_size=count,
                fault_model="byzantine" if count >= 4 else "crash",
                timing=Timing(network_delay_ms=50, full_block_ms=200, timeout_base_ms=1_000),
            )
            if count == 1 or len({self.leader_name(symbol) for symbol in pairs}) > 1:
                break
            attempt += 1
        (folder / str(attempt) / "network.toml").write_text(tomli_w.dumps(self.manifest.to_dict()))
        self.peers = [PeerProcess(name, homes[name], keys[name]) for name in homes]

    def leader_name(self, symbol: str, term: int = 0) -> str:
        committee = Committee.of(self.manifest, self.manifest.chain_id, symbol)
        return committee.seats[committee.leader(term)].name

    def leader(self, symbol: str) -> PeerProcess:
        return next(peer for peer in self.peers if peer.name == self.leader_name(symbol))

    async def start(self, first: PeerProcess) -> None:
        """``first`` is whom the others join through."""
        await first.start()
        async with trio.open_nursery() as nursery:
            for peer in self.peers:
                if peer is not first:
                    nursery.start_soon(peer.start, first.dht)

    async def stop(self) -> None:
        async with trio.open_nursery() as nursery:
            for peer in self.peers:
                if peer.up:
                    nursery.start_soon(peer.stop)


@contextmanager
def network(folder: Path, count: int, pairs: tuple[str, ...]) -> Iterator[Network]:
    """A network none of whose processes outlives the block."""
    made = Network(folder, count, pairs)
    try:
        yield made
    finally:
        for peer in made.peers:
            peer.kill()


class Trader:
    """An author who sends every op to the same peer."""

    def __init__(self, manifest: Manifest, client: Client) -> None:
        self.wallet = Wallet(Identity(os.urandom(32)), manifest.chain_id)
        self._client = client

    async def place(self, pair: str, side: Side, places: int = 1) -> Submission:
        first = self.wallet.next_client_id(pair)
        orders = [Place(first + i, side, OrderType.LIMIT, 1_000 + i, 5, TimeInForce.GTC) for i in range(places)]
        return await self._client.submit(self.wallet.sign(pair, orders))


async def all_certified(submissions: list[Submission], within_s: float) -> None:
    with trio.move_on_after(within_s):
        for submission in submissions:
            await submission.certified()
        return
    late = [s.level.name for s in submissions if not s.height]
    raise AssertionError(f"not certified within {within_s:.0f} s: {len(late)} of {len(submissions)}: {late[:4]}")
