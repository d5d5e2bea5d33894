"""Health checks and figures of real peers, as Kubernetes and Prometheus ask for them."""

import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.support import Network, Trader, until
from prometheus_client.parser import text_string_to_metric_families

from gossipbook.errors import ConfigError
from gossipbook.monitor.notify import notify, watchdog_s
from gossipbook.monitor.server import Monitor

from .conftest import PAIR

Labels = tuple[tuple[str, str], ...]


def get(network: Network, number: int, path: str) -> tuple[int, str]:
    url = f"{network.endpoint(number)['monitor']}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def figures(network: Network, number: int) -> dict[tuple[str, Labels], float]:
    status, text = get(network, number, "/metrics")
    assert status == 200
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_a_healthy_peer(peers: Network, traders: Callable[[Network], tuple[Trader, Trader]]) -> None:
    assert get(peers, 1, "/livez") == (200, "ok\n")
    assert until(lambda: get(peers, 1, "/readyz") == (200, "ok\n"), "a peer that is ready")
    assert get(peers, 1, "/other")[0] == 404
    alice, bob = traders(peers)
    alice.do("place", PAIR, "buy", 3, "100.25")
    bob.do("place", PAIR, "sell", 2, "100.25")
    pair = (("pair", PAIR),)
    found = until(lambda: (f := figures(peers, 1))["gossipbook_pair_fills_total", pair] == 1 and f, "the fill")
    assert found["gossipbook_ready", ()] == 1
    assert found["gossipbook_pair_height", pair] >= 2
    assert found["gossipbook_pair_open_orders", pair] == 1
    assert found["gossipbook_pair_condition", (("condition", "certifying"), ("pair", PAIR))] == 1
    assert found["gossipbook_pair_condition", (("condition", "no-quorum"), ("pair", PAIR))] == 0
    assert found["gossipbook_certify_seconds_count", ()] >= 2
    assert 0 < found["gossipbook_certify_seconds_sum", ()] < 60
    assert found["gossipbook_fsync_seconds_count", ()] == found["gossipbook_commits_total", ()] > 0
    links = {dict(labels)["role"] for name, labels in found if name == "gossipbook_links"}
    assert "peer" in links
    assert sum(figures(peers, n)["gossipbook_pair_leads", pair] for n in range(1, 5)) == 1
    assert found["process_open_fds", ()] > 5
    series = len(found)
    alice.do("place", PAIR, "buy", 1, "50.00")
    assert len(figures(peers, 1)) < series + 30, "figures do not grow with trading"


def test_lost_quorum_is_told_with_names(peers: Network) -> None:
    for number in (3, 4):
        peers.kill(number)
    status, text = until(lambda: (a := get(peers, 1, "/readyz"))[0] == 503 and a, "what is wrong")
    assert status == 503
    assert f"{PAIR}: no quorum; absent: peer3, peer4" in text or f"{PAIR}: no quorum; absent: peer4, peer3" in text
    assert get(peers, 1, "/livez")[0] == 200, "it lives all the same"
    assert figures(peers, 1)["gossipbook_ready", ()] == 0


def test_a_loop_that_hangs_is_not_alive(peers: Network) -> None:
    """The thread that answers is not the one that hangs; a process that is stopped answers nothing at all."""
    monitor = peers.endpoint(1)["monitor"]
    pid = peers.processes[1].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(OSError, match=r"timed out|refused"):
            urllib.request.urlopen(f"{monitor}/livez", timeout=1)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert until(lambda: get(peers, 1, "/livez")[0] == 200, "a peer that goes on")


def test_a_monitor_without_its_loop_says_so() -> None:
    monitor = Monitor("127.0.0.1:0")
    monitor.start()
    try:
        assert monitor.answer("/livez", "")[0] == 200
        status, _, body = monitor.answer("/readyz", "")
        assert (status, body) == (503, b"not ok\n- starting\n")
        assert monitor.answer("/metrics", "")[0] == 503
        monitor._runtime = object()  # type: ignore[assignment]  # a peer

        class Deaf:
            def run_sync_soon(self, *_: object, **__: object) -> None:
                """A loop that hangs takes it and never does it."""

        monitor._token = Deaf()  # type: ignore[assignment]
        status, _, body = monitor.answer("/livez", "")
        assert (status, b"did not answer" in body) == (503, True)
    finally:
        monitor.close()


def test_only_this_machine_may_ask_and_a_taken_port_is_no_end() -> None:
    with pytest.raises(ConfigError, match="loopback"):
        Monitor("0.0.0.0:0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monitor = Monitor(f"127.0.0.1:{taken.getsockname()[1]}")
        monitor.start()
        assert monitor.address == ""


def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notify("READY=1")
    assert watchdog_s() == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert watchdog_s() == 1.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_s() == 0


def test_a_started_peer_tells_the_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(tmp_path / "net", 4, [PAIR])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setitem(
            __import__("cli.support", fromlist=["x"]).ENVIRONMENT, "NOTIFY_SOCKET", str(tmp_path / "notify")
        )
        monkeypatch.setitem(__import__("cli.support", fromlist=["x"]).ENVIRONMENT, "WATCHDOG_USEC", "600000")
        try:
            network.start(1)
            told = [manager.recv(200).decode() for _ in range(3)]
        finally:
            network.stop_all()
    assert told[:2] == ["READY=1", "WATCHDOG=1"]
