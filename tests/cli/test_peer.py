"""What an operator sees of a peer: running, alone, stopped, named wrongly."""

import json
import signal
import subprocess

from .support import BINARY, ENVIRONMENT, Network, answer, invoke, until


def test_status_tells_how_each_pair_fares(network):
    status = answer("status", "--home", network.home(2))
    assert (status["name"], status["network"]) == ("peer2", "testnet")
    assert {pair["state"] for pair in status["pairs"]} == {"certifying"}
    assert all(pair["voting"] for pair in status["pairs"])
    text = invoke("status", "--home", network.home(2)).stdout
    for word in ("peer2", "ABC-USD", "certifying", "leader", "rejected"):
        assert word in text


def test_a_peer_can_be_named_by_its_address(network):
    address, manifest = network.endpoint(3)["listen"], network.folder / "network.toml"
    assert answer("status", "--peer", address, "--network", manifest)["name"] == "peer3"
    assert answer("status", "--peer", address, "--home", network.home(1))["name"] == "peer3"


def test_peers_lists_the_live_links(network):
    links = answer("peers", "--home", network.home(1))
    assert {"peer2", "peer3", "peer4"} <= {link["name"] for link in links if link["role"] == "peer"}
    assert "client" in invoke("peers", "--home", network.home(1)).stdout


def test_watching_gives_a_line_of_json_each_second_until_interrupted(network):
    command = [*BINARY, "status", "--watch", "--json", "--home", str(network.home(1))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
    finally:
        process.kill()
    assert all(json.loads(line)["name"] == "peer1" for line in lines)
    assert (process.returncode, complaints) == (0, "")


def test_a_second_process_on_one_folder_is_refused(network):
    done = subprocess.run(
        [*BINARY, "start", str(network.home(1))], capture_output=True, text=True, timeout=30, env=ENVIRONMENT
    )
    assert done.returncode == 4
    assert f"in use by process {network.processes[1].pid}" in done.stderr


def test_a_folder_of_peers_is_not_a_peer(network):
    assert f"did you mean {network.home(1)}?" in invoke("status", "--home", network.folder, code=2).stderr


def test_a_peer_that_was_never_started_is_said_to_be_so(tmp_path):
    invoke("network", "init", tmp_path / "net")
    home = tmp_path / "net" / "peer1"
    assert f"gossipbook start {home}" in invoke("status", "--home", home, code=4).stderr


def test_an_address_where_nobody_listens(network, tmp_path):
    manifest = network.folder / "network.toml"
    error = invoke("status", "--peer", "ws://127.0.0.1:1", "--network", manifest, code=4).stderr
    assert "no answer at ws://127.0.0.1:1" in error


def test_a_peer_of_another_network_refuses(network, tmp_path):
    invoke("network", "init", tmp_path / "net")
    address = network.endpoint(1)["listen"]
    error = invoke("status", "--peer", address, "--network", tmp_path / "net" / "network.toml", code=4).stderr
    assert "wrong-network" in error


def test_two_dead_peers_are_named_and_their_return_heals(network, new_trader):
    trader = new_trader()
    for number in (3, 4):
        network.kill(number)
    try:
        status = network.wait_for_state(1, "no-quorum")
        assert all(pair["absent"] and set(pair["absent"]) == {"peer3", "peer4"} for pair in status["pairs"])
        text = invoke("status", "--home", network.home(1), code=1).stdout
        assert "no-quorum" in text
        assert "peer3, peer4 are absent" in text
        gone = invoke("status", "--home", network.home(3), code=4).stderr
        assert "is not running" in gone
        late = _place_without_quorum(trader)
        _interrupt_an_order(trader)
        view = answer("book", "ABC-USD", "--home", network.home(1))
        assert [lv["pending_lots"] for lv in view["bids"] if lv["price_ticks"] == 100] == [1000]
        assert "+1.000" in invoke("book", "ABC-USD", "--home", network.home(1)).stdout
    finally:
        for number in (3, 4):
            network.start(number)
        network.wait_for_all_links()
    found = until(lambda: _found(trader, late["client_id"]), "the pending order is certified")
    assert found["status"] == "open"
    assert trader.do("place", "ABC-USD", "buy", 1, 2)["seq"] == 1


def _place_without_quorum(trader):
    where = ("--key", trader.key, "--home", trader.home, "--timeout", "0.5")
    late = answer("order", "place", "ABC-USD", "buy", 1, 1, *where, code=3)
    assert late["level"] in ("durable", "relayed")
    assert "no-quorum" in late["trouble"]
    return late


def _interrupt_an_order(trader):
    """Ctrl-C while an op waits: its author hears that it is signed."""
    where = ["--key", trader.key, "--home", trader.home, "--timeout", "60", "--json"]
    command = [*BINARY, "order", "place", "WAIT-USD", "buy", "1", "1", *where]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        until(lambda: answer("book", "WAIT-USD", "--home", trader.home)["pending_ops"], "the op is pending")
        process.send_signal(signal.SIGINT)
        told, complaint = process.communicate(timeout=20)
    finally:
        process.kill()
    assert json.loads(told)["trouble"] == "interrupted"
    assert "the op is signed" in complaint
    assert process.returncode == 3


def _found(trader, client_id):
    try:
        return trader.show("ABC-USD", client_id)
    except AssertionError:
        return None


def test_term_stops_cleanly(tmp_path):
    alone = Network(tmp_path / "net", 1, ["A-B"])
    alone.start(1)
    try:
        alone.wait_for_state(1, "certifying")
        assert alone.kill(1, signal.SIGTERM) == 0
    finally:
        alone.stop_all()
    assert "is not running" in invoke("status", "--home", alone.home(1), code=4).stderr
