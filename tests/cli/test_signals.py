"""What signals and limits do to a peer: reading its configuration again, few descriptors, the end at any moment."""

import functools
import re
import resource
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from gossipbook.errors import ConfigError
from gossipbook.net.descriptors import LEAST_CONNECTIONS, OWN_DESCRIPTORS, fit
from gossipbook.net.settings import NetSettings

from .support import BINARY, ENVIRONMENT, Network, answer, invoke, until

MOMENTS_S = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0, 1.3, 1.7, 2.2)
ENDED_S = 10.0


@pytest.fixture
def pair_of_peers(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path / "net", 2, ["A-B"])
    try:
        yield made
    finally:
        made.stop_all()


def change(network: Network, number: int, **values: object) -> None:
    config = network.home(number) / "config.toml"
    config.write_text(tomli_w.dumps(tomllib.loads(config.read_text()) | values))


def log_of(network: Network, number: int) -> str:
    return (network.folder / f"peer{number}.log").read_text()


def test_hup_reads_the_configuration_again_and_says_what_it_cannot_take_over(pair_of_peers: Network) -> None:
    net = pair_of_peers
    for number in (1, 2):
        change(net, number, dht=False)
        net.programs[number] = BINARY
    net.start(1)
    net.processes[2] = subprocess.Popen(
        [*BINARY, "start", str(net.home(2)), "--json"],
        stdout=subprocess.DEVNULL,
        stderr=(net.folder / "peer2.log").open("w"),
        env=ENVIRONMENT,
    )
    until(lambda: (net.home(2) / "data" / "endpoint.json").exists(), "peer 2 is ready")
    assert answer("peers", "--home", net.home(2)) != []  # This client's own link.
    assert "peer1" not in {link["name"] for link in answer("peers", "--home", net.home(2))}
    change(net, 2, peers=[net.endpoint(1)["listen"]], listen="127.0.0.1:1")
    net.processes[2].send_signal(signal.SIGHUP)
    until(lambda: "peer1" in {link["name"] for link in answer("peers", "--home", net.home(2))}, "peer 2 dials peer 1")
    assert "taken over by a restart only: listen" in log_of(net, 2)
    (net.home(2) / "config.toml").write_text("this is no configuration")
    net.processes[2].send_signal(signal.SIGHUP)
    until(lambda: "nothing was read anew" in log_of(net, 2), "the fault is told")
    (net.home(2) / "config.toml").write_text('network = "../network.toml"')
    assert answer("status", "--home", net.home(2), code=None)["name"] == "peer2"
    assert "Traceback" not in log_of(net, 2)


def takes_signals(process: subprocess.Popen[str]) -> bool:
    """Whether the command has begun: until then it is Python's own start that a signal ends, as it pleases."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_peer_ends_soon_at_any_moment_of_its_start(pair_of_peers: Network, how: signal.Signals) -> None:
    """One bootstrap node that does not answer, so that the start is as long as it can be."""
    change(pair_of_peers, 1, bootstrap=["127.0.0.1:9"])
    took = []
    for moment_s in MOMENTS_S:
        process = subprocess.Popen(
            [*BINARY, "start", str(pair_of_peers.home(1))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            until(functools.partial(takes_signals, process), "the command has begun")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(moment_s)
            began_s = time.monotonic()
            process.send_signal(how)
            _, err = process.communicate(timeout=ENDED_S)
            took.append(round(time.monotonic() - began_s, 2))
        finally:
            process.kill()
        assert "Traceback" not in err
        assert process.returncode in (0, 130, -how, -signal.SIGINT), (moment_s, err)
    print("ended after", took, "seconds")


@pytest.mark.parametrize("least", [True, False])
def test_few_descriptors_are_enough_or_said_to_be_too_few(tmp_path: Path, least: bool) -> None:
    alone = Network(tmp_path / "net", 1, ["A-B"])
    count = OWN_DESCRIPTORS + LEAST_CONNECTIONS - (0 if least else 1)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

    command = [*BINARY, "start", str(alone.home(1)), "--json"]
    process = subprocess.Popen(command, preexec_fn=limit, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not least:
            _, err = process.communicate(timeout=ENDED_S)
            assert re.search(r"47 file descriptors are too few for a peer; it needs 48", err)
            assert process.returncode == 2
            return
        assert '"event": "ready"' in line
        descriptors = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        assert descriptors <= OWN_DESCRIPTORS
        assert invoke("status", "--home", alone.home(1), code=None).exit_code == 0
        process.terminate()
        assert process.wait(ENDED_S) == 0
    finally:
        process.kill()
        process.wait()


def test_caps_on_connections_fit_the_descriptors_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [64, 64]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: limits.__setitem__(0, pair[0]))
    fitted = fit(NetSettings(peers=("ws://127.0.0.1:1",)))
    assert fitted.half_open_cap + fitted.links_cap + fitted.dial_parallel_cap + OWN_DESCRIPTORS <= 64
    limits[:] = [64, 100_000]
    assert fit(NetSettings()) == NetSettings()
    assert limits[0] == 4_096
    limits[:] = [20, 20]
    with pytest.raises(ConfigError, match="too few for a peer"):
        fit(NetSettings())
