"""Three machines, as network namespaces with addresses of their own, run by what docs/ tells operators.

Each command runs in its machine's namespace. Nothing leaves the namespaces, and nothing outside of them is changed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cli.support import until
from gateway.conftest import need

NAMES = ("north", "south", "west")
PORT = 7401
PAIR = "BTC-USD"
WITHIN_S = 90
GOSSIPBOOK = (sys.executable, "-m", "gossipbook")


def system(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=WITHIN_S)


class Machine:
    """A namespace with one interface, and a peer's folder."""

    def __init__(self, number: int, name: str, folder: Path) -> None:
        self.name = name
        self.address = f"10.77.0.{number}"
        self.home = folder / name
        self.space = f"gb{os.getpid()}-{name}"
        self.process: subprocess.Popen[str] | None = None

    def inside(self, *command: object) -> list[str]:
        return ["ip", "netns", "exec", self.space, *map(str, command)]

    def run(self, *arguments: object, code: int | None = 0) -> str:
        """What a command of ours says here."""
        command = self.inside(*GOSSIPBOOK, *arguments)
        environment = os.environ | {"GOSSIPBOOK_HOME": str(self.home)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False, env=environment)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def answer(self, *arguments: object, code: int | None = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).splitlines()[-1])

    def start(self, *before: object) -> None:
        """``before``: what runs the program, with words of its own."""
        command = self.inside(*before, *GOSSIPBOOK, "start", self.home, "--json")
        with (self.home / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), (self.home / "log.txt").read_text()[-2_000:]

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """By the process id that the folder names, as docs/operate.md does: what ran it may be another process."""
        if self.process is not None:
            os.kill(int((self.home / "LOCK").read_text()), number)
            self.process.wait(WITHIN_S)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def worst(self, about: str) -> list[dict[str, str]]:
        """What the doctor finds wrong."""
        rows = self.answer("doctor", self.home, code=None)
        return [row for row in rows if row["about"] == about and row["level"] != "good"]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Machine]]:
    need("ip", "iptables", "faketime")
    folder = tmp_path_factory.mktemp("machines")
    made = {name: Machine(number, name, folder) for number, name in enumerate(NAMES, 1)}
    switch = f"gb{os.getpid()}-switch"
    spaces: list[str] = []
    try:
        try:
            system("ip", "netns", "add", switch)
        except subprocess.CalledProcessError as error:
            if os.environ.get("GOSSIPBOOK_REQUIRE_ALL") == "1":
                pytest.fail(f"no namespaces: {error.stderr}")
            pytest.skip("this user may not make network namespaces")
        spaces.append(switch)
        system("ip", "-n", switch, "link", "add", "bridge", "type", "bridge")
        system("ip", "-n", switch, "link", "set", "bridge", "up")
        for machine in made.values():
            system("ip", "netns", "add", machine.space)
            spaces.append(machine.space)
            port = f"to-{machine.name}"
            system("ip", "-n", switch, "link", "add", port, "type", "veth", "peer", "eth0", "netns", machine.space)
            system("ip", "-n", switch, "link", "set", port, "master", "bridge", "up")
            system("ip", "-n", machine.space, "addr", "add", f"{machine.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                system("ip", "-n", machine.space, "link", "set", device, "up")
        make_network(folder, made)
        yield made
    finally:
        for machine in made.values():
            with suppress(ProcessLookupError):
                machine.end()
        for space in spaces:
            system("ip", "netns", "del", space)


def make_network(folder: Path, machines: dict[str, Machine]) -> None:
    """As docs/recipes.md has it."""
    matchers = []
    for machine in machines.values():
        key = machine.home / "keys" / "peer.key"
        machine.run("keys", "new", key)
        matchers += ["--matcher", f"{machine.name}:{machine.answer('keys', 'show', key)['public_key']}"]
    first = machines["north"]
    crashes = ("--committee-size", 3, "--fault-model", "crash")
    first.run("network", "init", folder / "ours", "--pair", PAIR, *crashes, *matchers)
    chain_ids = set()
    for machine in machines.values():
        manifest = machine.home / "network.toml"
        manifest.write_bytes((folder / "ours" / "network.toml").read_bytes())
        chain_ids.add(machine.answer("network", "show", manifest)["chain_id"])
        others = [f'"{other.address}:{PORT}"' for other in machines.values() if other is not machine]
        (machine.home / "config.toml").write_text(
            f'listen = "0.0.0.0:{PORT}"\n'
            f'advertise = ["wss://{machine.address}:{PORT}"]\n'
            f'dht_listen = "{machine.address}:{PORT}"\n'
            f"bootstrap = [{', '.join(others)}]\n"
        )
    assert len(chain_ids) == 1


def place(machine: Machine, key: Path, side: str) -> Any:
    return machine.answer("order", "place", PAIR, side, 1, "100.00", "--key", key)


def test_an_operators_day(machines: dict[str, Machine], tmp_path: Path) -> None:
    north, south, west = machines.values()
    for machine in machines.values():
        machine.start()
    for machine in machines.values():
        assert machine.answer("status", "--wait", 60)["pairs"][0]["state"] == "certifying"
    alice, bob = tmp_path / "alice.key", tmp_path / "bob.key"
    for key in (alice, bob):
        north.run("keys", "new", key)
    assert place(north, alice, "sell")["height"] > 0
    assert place(south, bob, "buy")["fills"]

    # Watched, killed, and started again.
    curl = [sys.executable, "-c", "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"]
    endpoint = json.loads((west.home / "data" / "endpoint.json").read_text())
    figures = subprocess.run(
        west.inside(*curl, endpoint["monitor"] + "/metrics"), capture_output=True, text=True, timeout=30, check=True
    )
    assert "gossipbook_pair_height" in figures.stdout
    west.end()
    assert place(north, alice, "sell")["height"] > 0, "two of three are a quorum"
    west.start()
    assert west.answer("status", "--wait", 60)["pairs"][0]["state"] == "certifying"

    # Restored from a backup: it follows, and does not vote.
    file = tmp_path / "west.backup"
    west.answer("backup", west.home, file)
    west.end()
    west.home.rename(tmp_path / "lost")
    assert west.answer("restore", file, west.home)["seats_that_do_not_vote"] == [PAIR]
    west.start()
    row = west.answer("status", "--wait", 60)["pairs"][0]
    assert (row["state"], row["voting"]) == ("certifying", False)
    assert [row["about"] for row in west.answer("doctor", west.home, code=None) if row["about"] == "seat"] == ["seat"]

    # Upgraded, one after another, each with a backup first.
    south.end(signal.SIGTERM)
    (south.home / "PROGRAM").write_text("0.0.1\n")
    told = south.answer("upgrade", south.home, "--backup", tmp_path / "south.backup")
    assert (told["from"], Path(told["backup"]).exists()) == ("0.0.1", True)
    south.start()
    until(lambda: place(south, bob, "buy")["fills"], "a fill after the upgrade")


def wrong_clock(machine: Machine) -> None:
    machine.end()
    machine.start("env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", "+3600s")


def few_descriptors(machine: Machine) -> None:
    machine.end()
    machine.start("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")


def closed_port(machine: Machine) -> None:
    """Nobody gets in; and a link that it dialled itself, to the same port, goes as well."""
    for way in ("INPUT", "OUTPUT"):
        rule = ("-p", "tcp", "--dport", str(PORT), "-j", "REJECT", "--reject-with", "tcp-reset")
        system(*machine.inside("iptables", "-A", way, *rule))


def loose_key(machine: Machine) -> None:
    (machine.home / "keys" / "peer.key").chmod(0o644)


def no_quorum(machine: Machine) -> None:
    machine.end()


FAULTS: list[tuple[str, Callable[[Machine], None], str, str]] = [
    # what is broken on west, who looks, what they find
    ("clock", wrong_clock, "west", "set the clock"),
    ("descriptors", few_descriptors, "west", "ulimit"),
    ("peers", closed_port, "north", "open the way"),
    ("permissions", loose_key, "west", "chmod 600"),
    ("quorum", no_quorum, "north", "start"),
]


@pytest.mark.parametrize(("about", "break_it", "looks", "mend"), FAULTS, ids=[row[1].__name__ for row in FAULTS])
def test_the_doctor_names(
    machines: dict[str, Machine], about: str, break_it: Callable[[Machine], None], looks: str, mend: str
) -> None:
    west = machines["west"]
    for machine in machines.values():
        if machine.process is None:
            machine.start()
    looker = machines[looks]
    looker.answer("status", "--wait", 60, code=None)
    if break_it is no_quorum:
        machines["south"].end()
    break_it(west)
    try:
        rows = until(lambda: looker.worst(about), f"a finding about {about}")
        assert any(mend in row["mend"] for row in rows), rows
    finally:
        with suppress(subprocess.CalledProcessError):
            system(*west.inside("iptables", "-F"))
        (west.home / "keys" / "peer.key").chmod(0o600)
        west.end()


def test_the_doctor_names_a_full_disk(machines: dict[str, Machine], tmp_path: Path) -> None:
    north = machines["north"]
    disk = tmp_path / "disk"
    disk.mkdir()
    system("mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk))
    try:
        (disk / "peer" / "keys").mkdir(parents=True, mode=0o700)
        north.run("keys", "new", disk / "peer" / "keys" / "peer.key")
        (disk / "peer" / "network.toml").write_bytes((north.home / "network.toml").read_bytes())
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65_536))
        rows = north.answer("doctor", disk / "peer", code=1)
        found = [row for row in rows if row["about"] == "disk" and row["level"] != "good"]
        assert found, rows
        assert "free some space" in found[0]["mend"]
    finally:
        for _ in range(50):
            if subprocess.run(["umount", str(disk)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
