"""Real peers: one folder and one ``gossipbook start`` process each, which know the others by the proxy's ports only.

Every peer has a ``network.toml`` of its own, in which the other matchers' addresses are its own ports at the proxy
(addresses are no part of the chain id). The DHT is off. What a peer advertises is a port at which nobody listens, kept
bound for as long as the network is up: a peer that tries it is refused at once and goes on to the next address.
"""

import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import tomli_w
import trio

from gossipbook.errors import GossipbookError
from gossipbook.limits import Timing
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.own_command import own_command
from gossipbook.rig.proxy import HOST, Proxy
from gossipbook.scenario.parts import NetworkPart
from gossipbook.storage.keys import create_key

READY_S = 60.0  # many processes start at one time on few cores
STOP_S = 15.0
READY_POLL_S = 0.02


class RigFailed(GossipbookError):
    """Raised when the peers cannot be brought to trade at all, so that nothing was tested."""


class RealPeer:
    """One peer process, which may be killed, paused, and started again on its folder."""

    def __init__(self, index: int, folder: Path) -> None:
        self.index = index
        self.name = f"p{index}"
        self.folder = folder / self.name
        self.paused = False
        self.exits: list[str] = []  # ends that nobody ordered
        self._listening, self._advertised = _reserve_port(), _reserve_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = trio.Lock()  # it starts or it stops

    @property
    def up(self) -> bool:
        """Whether the process runs and is not paused."""
        return not self.paused and self._process is not None and self._process.poll() is None

    @property
    def port(self) -> int:
        """The port at which it listens whenever it runs."""
        port: int = self._listening.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """The address at which clients reach it, past the proxy."""
        return f"ws://{HOST}:{self.port}"

    def configure(self, manifest: Manifest, preset: str, peers: list[str]) -> None:
        """Write manifest and configuration; ``peers`` are addresses to dial that the manifest does not name."""
        (self.folder / "network.toml").write_text(tomli_w.dumps(manifest.to_dict()), encoding="utf-8")
        values = {"network": "network.toml", "preset": preset, "dht": False, "peers": peers}
        values |= {"listen": f"{HOST}:{self.port}", "advertise": [f"ws://{HOST}:{self._advertised.getsockname()[1]}"]}
        (self.folder / "config.toml").write_text(tomli_w.dumps(values), encoding="utf-8")

    async def start(self) -> None:
        """Start the process, if it does not run, and wait until it listens, or somebody kills it.

        Raises:
            RigFailed: with the last lines of its log.
        """
        async with self._turn:
            if self._process is not None:
                if self._process.poll() is None:
                    return
                self._note_end(self._process)
            self._ready_file.unlink(missing_ok=True)
            with self.log_file.open("ab") as log:
                command = own_command("start", str(self.folder), "--json")
                self._process = process = await trio.to_thread.run_sync(
                    lambda: subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
                )
            await self._ready(process)

    async def _ready(self, process: subprocess.Popen[bytes]) -> None:
        with trio.move_on_after(READY_S) as patience:
            while not self._ready_file.exists():
                if self._process is not process:
                    return
                if process.poll() is not None:
                    self._process = None
                    raise RigFailed(f"{self.name} ended with code {process.returncode}: {self._log_tail()}")
                if self.paused:
                    patience.deadline = trio.current_time() + READY_S
                await trio.sleep(READY_POLL_S)
            return
        raise RigFailed(f"{self.name} was not ready in {READY_S:.0f} s: {self._log_tail()}")

    def pause(self) -> None:
        """Send SIGSTOP: the process does nothing, and its connections stay."""
        self.paused = self.up
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        self.paused = False

    def kill(self) -> None:
        """Send SIGKILL: nothing is flushed and nobody is told. Works on a paused process too."""
        process, self._process = self._process, None
        self.paused = False
        if process is not None:
            self._note_end(process)
            process.kill()
            process.wait()

    async def stop(self) -> None:
        """Send SIGTERM and wait; send SIGKILL when that takes too long, and note that as an unordered end.

        One that is starting is let start first: what a TERM does to it then is not what is tested here.
        """
        async with self._turn:
            if self._process is not None:
                await self._stop(self._process)

    async def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self._note_end(process)
        if process.poll() is None:
            self.resume()
            process.send_signal(signal.SIGTERM)
            with trio.move_on_after(STOP_S) as scope:
                await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            if scope.cancelled_caught:
                self.exits.append(f"{self.name} did not stop in {STOP_S:.0f} s")
            elif process.returncode and self._process is process:
                self.exits.append(f"{self.name} ended with code {process.returncode} when told to stop")
        self._process = None
        if process.poll() is None:
            process.kill()
            process.wait()

    @property
    def _ready_file(self) -> Path:
        return self.folder / "data" / "endpoint.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "log.txt"

    def release(self) -> None:
        """Give its ports back."""
        self._listening.close()
        self._advertised.close()

    def _note_end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            self.exits.append(f"{self.name} ended by itself with code {process.returncode}: {self._log_tail()}")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:]) or "(no output)"


class RealNetwork:
    """A manifest and its peers in one folder. As a context manager, it leaves no process behind."""

    def __init__(self, folder: Path, part: NetworkPart) -> None:
        self.folder = folder
        self._part = part
        self.peers = [RealPeer(index, folder) for index in range(part.peers)]
        keys = [create_key(peer.folder / "keys" / "peer.key") for peer in self.peers]
        seated = list(zip(self.peers, keys, strict=True))[: part.matchers or part.committee]
        self.manifest = Manifest(
            name="rig",
            pairs=tuple(Pair(f"SIM{number}/USD") for number in range(part.pairs)),
            matchers=tuple(Matcher(peer.name, key.public_key, peer.name) for peer, key in seated),
            committee_size=part.committee,
            fault_model=part.fault_model,
            timing=Timing(network_delay_ms=max(1, int(part.delay_ms[1])), timeout_base_ms=part.timeout_base_ms),
        )

    def __enter__(self) -> "RealNetwork":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for peer in self.peers:
            peer.kill()
            peer.release()

    async def start(self, proxy: Proxy) -> None:
        """Start everybody at once, each knowing the others by the proxy."""
        for peer in self.peers:
            peer.configure(self._as_known_to(peer, proxy), self._part.preset, self._unlisted(peer, proxy))
            proxy.listeners[peer.index] = peer.port
        async with trio.open_nursery() as nursery:
            for peer in self.peers:
                nursery.start_soon(peer.start)

    async def stop(self) -> None:
        """Stop all peers in an orderly way."""
        async with trio.open_nursery() as nursery:
            for peer in self.peers:
                nursery.start_soon(peer.stop)

    def up(self) -> set[int]:
        return {peer.index for peer in self.peers if peer.up}

    def _as_known_to(self, dialler: RealPeer, proxy: Proxy) -> Manifest:
        matchers = [
            matcher if number == dialler.index else replace(matcher, addresses=(proxy.address(dialler.index, number),))
            for number, matcher in enumerate(self.manifest.matchers)
        ]
        return replace(self.manifest, matchers=tuple(matchers))

    def _unlisted(self, dialler: RealPeer, proxy: Proxy) -> list[str]:
        """Return the addresses of followers that a follower dials; of two followers, the later one dials."""
        first = len(self.manifest.matchers)
        return [proxy.address(dialler.index, other) for other in range(first, dialler.index)]


def _reserve_port() -> socket.socket:
    """Bind a port of loopback that nobody else gets while the socket is open.

    It is bound and does not listen, so the system gives it to no one; a process that allows its address to be used
    again may listen on it all the same.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HOST, 0))
    return held
