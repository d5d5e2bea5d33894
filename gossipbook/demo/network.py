"""A network of peer processes on loopback that find each other through one bootstrap address."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w
import trio

from gossipbook.errors import GossipbookError
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import PublicKey
from gossipbook.limits import Limits, Timing
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.own_command import own_command
from gossipbook.storage.keys import create_key

READY_S = 30.0
STOP_S = 10.0
PAIRS = ("AAPL-USD", "BTC-USD", "ETH-USD")
PEERS = 4


class DemoFailed(GossipbookError):
    """The demonstration could not be carried out; what it found wrong is the verdict's business instead."""


class PeerProcess:
    """One ``gossipbook start`` process, which may be killed and started again on its folder."""

    def __init__(
        self, name: str, folder: Path, manifest: Manifest, bootstrap: str | None, clients: tuple[PublicKey, ...] = ()
    ) -> None:
        self.name = name
        self.folder = folder
        self.address = ""
        self.dht = ""
        self.starts = 0
        self._manifest = manifest
        self.clients = clients
        self.bootstrap = bootstrap
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = ("127.0.0.1:0", "127.0.0.1:0")

    @property
    def up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it says that it is ready.

        Raises:
            DemoFailed: with the last lines of its log.
        """
        values: dict[str, Any] = {"network": "../network.toml", "preset": "local"}
        values |= {"listen": self._ports[0], "dht_listen": self._ports[1]}
        if self.bootstrap:
            values["bootstrap"] = [self.bootstrap]
        if self.clients:
            values["clients"] = [key.hex() for key in self.clients]
        (self.folder / "config.toml").write_text(tomli_w.dumps(values), encoding="utf-8")
        ready_file = self.folder / "data" / "endpoint.json"
        ready_file.unlink(missing_ok=True)
        with (self.folder / "log.txt").open("ab") as log:
            command = own_command("start", str(self.folder), "--json")
            self._process = await trio.to_thread.run_sync(
                lambda: subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            )
        self.starts += 1
        with trio.move_on_after(READY_S):
            while not ready_file.exists():
                if self._process.poll() is not None:
                    raise DemoFailed(f"{self.name} ended with code {self._process.returncode}: {self._log_tail()}")
                await trio.sleep(0.02)
            ready = json.loads(ready_file.read_text(encoding="utf-8"))
            self.address, self.dht = ready["listen"], ready["dht"]
            self._ports = (self.address.removeprefix("ws://"), self.dht)
            return
        raise DemoFailed(f"{self.name} was not ready in {READY_S:.0f} s: {self._log_tail()}")

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    async def stop(self) -> int | None:
        """SIGTERM, and wait; SIGKILL when that takes too long. Returns the exit code."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            with trio.move_on_after(STOP_S) as scope:
                scope.shield = True
                await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            self.kill()
        return process.returncode

    def _log_tail(self) -> str:
        lines = (self.folder / "log.txt").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:]) or "(no output)"


class DemoNetwork:
    """A manifest and its peers in one folder; ``client`` is the key of a program whose traders they let in freely."""

    def __init__(self, folder: Path, pairs: tuple[str, ...] = PAIRS, peers: int = PEERS) -> None:
        self.folder = folder
        self.client = Identity(os.urandom(SEED_BYTES))
        names = [f"peer{i}" for i in range(1, peers + 1)]
        keys = {name: create_key(folder / name / "keys" / "peer.key", for_author=False) for name in names}
        self.manifest = Manifest(
            name="demo",
            pairs=tuple(Pair(symbol) for symbol in pairs),
            matchers=tuple(Matcher(name, key.public_key, name) for name, key in keys.items()),
            committee_size=min(peers, 7),
            limits=Limits(),
            timing=Timing(network_delay_ms=50, full_block_ms=200, timeout_base_ms=1_000),
        )
        (folder / "network.toml").write_text(tomli_w.dumps(self.manifest.to_dict()), encoding="utf-8")
        known = (self.client.public_key,)
        self.peers = [PeerProcess(name, folder / name, self.manifest, None, known) for name in keys]

    def admit(self, client: PublicKey) -> None:
        """Have all peers know another client, before they are started."""
        for peer in self.peers:
            peer.clients += (client,)

    async def start(self) -> None:
        """Start the first peer, then the others with its DHT address as their only hint."""
        first, *others = self.peers
        await first.start()
        for peer in others:
            peer.bootstrap = first.dht
        async with trio.open_nursery() as nursery:
            for peer in others:
                nursery.start_soon(peer.start)

    async def stop(self) -> None:
        async with trio.open_nursery() as nursery:
            for peer in self.peers:
                nursery.start_soon(peer.stop)

    def kill_all(self) -> None:
        """Last resort: leave no process behind."""
        for peer in self.peers:
            peer.kill()

    def named(self, name: str) -> PeerProcess:
        return next(peer for peer in self.peers if peer.name == name)
