"""A network of real processes on loopback, and the commands that talk to it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import tomli_w
from click.testing import CliRunner, Result

from gossipbook.cli.app import app

DEADLINE_S = 30.0
POLL_S = 0.05
BINARY = [sys.executable, "-m", "gossipbook"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("GOSSIPBOOK_")}


def invoke(*arguments: object, code: int | None = 0) -> Result:
    """Run a command in this process and hold it to an exit code, unless that is None."""
    empty = {key: None for key in os.environ if key.startswith("GOSSIPBOOK_")}
    result = CliRunner(env=empty).invoke(app, [str(argument) for argument in arguments])
    assert code is None or result.exit_code == code, (
        f"{arguments}: exit {result.exit_code}\n{result.output}\n{result.exception!r}"
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def answer(*arguments: object, code: int | None = 0) -> Any:
    """The JSON of a command run with ``--json``: the last line of its standard output."""
    return json.loads(invoke(*arguments, "--json", code=code).stdout.splitlines()[-1])


def until(condition: Callable[[], Any], what: str) -> Any:
    """Ask again and again until the condition gives something true, which is returned."""
    end_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < end_s:
        if found := condition():
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"not within {DEADLINE_S:.0f} s: {what}")


class Network:
    """Peers by number, from 1. Ports are the system's choice; all join the DHT through peer 1."""

    programs: ClassVar[dict[int, list[str]]] = {}
    """What to run in place of the binary, by number."""

    def __init__(self, folder: Path, peers: int, pairs: list[str], *extra: object) -> None:
        self.folder = folder
        self.peers = peers
        self.processes: dict[int, subprocess.Popen[str]] = {}
        options = [option for pair in pairs for option in ("--pair", pair)]
        self.made = answer("network", "init", folder, "--peers", peers, *options, *extra)
        for number in range(1, peers + 1):
            config = self.home(number) / "config.toml"
            values = tomllib.loads(config.read_text())
            values |= {"listen": "127.0.0.1:0", "dht_listen": "127.0.0.1:0", "bootstrap": []}
            config.write_text(tomli_w.dumps(values))

    def home(self, number: int) -> Path:
        return self.folder / f"peer{number}"

    def start(self, number: int) -> None:
        """Start a peer and wait until it says where it listens."""
        arguments = ["start", str(self.home(number)), "--json"]
        if number > 1:
            arguments += ["--bootstrap", self.endpoint(1)["dht"]]
        program = self.programs.get(number, BINARY)
        with (self.folder / f"peer{number}.log").open("a") as log:
            process = subprocess.Popen([*program, *arguments], stdout=log, stderr=log, text=True, env=ENVIRONMENT)
        self.processes[number] = process

        def ready() -> bool:
            assert process.poll() is None, (self.folder / f"peer{number}.log").read_text()
            file = self.home(number) / "data" / "endpoint.json"
            return file.exists() and file.read_text().find(f'"pid": {process.pid},') >= 0

        until(ready, f"peer {number} is ready")

    def endpoint(self, number: int) -> Any:
        return json.loads((self.home(number) / "data" / "endpoint.json").read_text())

    def kill(self, number: int, how: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal, by process id, and wait for the end; the exit code."""
        process = self.processes.pop(number)
        os.kill(process.pid, how)
        return process.wait(DEADLINE_S)

    def stop_all(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def states(self, number: int) -> dict[str, str]:
        """The state of each pair, as one peer sees it."""
        status = answer("status", "--home", self.home(number), code=None)
        return {pair["symbol"]: pair["state"] for pair in status["pairs"]}

    def wait_for_state(self, number: int, state: str) -> Any:
        """Until all pairs are in a state at one peer; its status then."""

        def reached() -> Any:
            status = answer("status", "--home", self.home(number), code=None)
            return status if all(pair["state"] == state for pair in status["pairs"]) else None

        return until(reached, f"peer {number} is {state} in all pairs")

    def wait_for_all_links(self) -> None:
        """Until nobody misses anybody."""

        def whole() -> bool:
            return all(
                not pair["absent"] and pair["state"] == "certifying"
                for number in self.processes
                for pair in answer("status", "--home", self.home(number), code=None)["pairs"]
            )

        until(whole, "every peer has links to all seats")


def signed_ops(key: Path) -> int:
    """How many ops the wallet beside a key signed."""
    with closing(sqlite3.connect(key.with_name(key.name + ".ops"))) as database:
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'ops'").fetchone()[0]
        return int(database.execute("SELECT count(*) FROM ops").fetchone()[0]) if tables else 0


class Trader:
    """An author with a key file, who talks to one peer."""

    def signed(self) -> int:
        """How many ops the key's wallet signed."""
        return signed_ops(self.key)

    def __init__(self, network: Network, key: Path, peer: int = 1) -> None:
        self.key = key
        self.home = network.home(peer)
        self.public_key: str = answer("keys", "show" if key.exists() else "new", key)["public_key"]

    def do(self, action: str, *arguments: object, code: int | None = 0) -> Any:
        """``gossipbook order ACTION …`` with this key; the JSON."""
        return answer("order", action, *arguments, "--key", self.key, "--home", self.home, "--timeout", 20, code=code)

    def show(self, pair: str, client_id: int) -> Any:
        return answer("order", "show", pair, client_id, "--key", self.key, "--home", self.home)
