"""Receipts and stories of real peers' orders. Receipts are made from a link, a folder and an export."""

import json
import shutil
import signal
import subprocess

import pytest
from click.testing import CliRunner

from gossipbook.cli.app import app as commands

from .support import BINARY, ENVIRONMENT, Network, answer, invoke, until


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """One peer in a network of its own: a resting order with two fills, and what was left cancelled."""
    folder = tmp_path_factory.mktemp("receipt")
    alone = Network(folder / "net", 1, ["BTC-USD"])
    alone.start(1)
    try:
        for name in ("alice", "bob"):
            answer("keys", "new", folder / f"{name}.key")

        def do(name, action, *arguments):
            where = ("--key", folder / f"{name}.key", "--home", alone.home(1), "--timeout", 20)
            return answer("order", action, "BTC-USD", *arguments, *where)

        do("alice", "place", "sell", 5, "100.50")
        do("bob", "place", "buy", 2, 101)
        do("bob", "place", "buy", 1, "100.50")
        do("alice", "cancel", 1)
        yield alone, folder
    finally:
        alone.stop_all()


def write(alone, folder, file, *options, who="alice", client_id=1, code=0):
    where = ("--key", folder / f"{who}.key", "-o", file)
    return answer("receipt", "BTC-USD", client_id, *where, *(options or ("--home", alone.home(1))), code=code)


def test_a_receipt_from_a_running_peer(traded, tmp_path):
    alone, folder = traded
    file = tmp_path / "a.receipt"
    made = write(alone, folder, file)
    assert made["bytes"] == file.stat().st_size < 4_000
    assert (made["verdict"], made["pinned"]) == ("valid", True)
    assert [block["height"] for block in made["blocks"]] == [1, 2, 3, 4]
    state = made["state"]
    assert (state["status"], state["filled_lots"], state["cancelled_lots"]) == ("cancelled", 3, 2)
    text = invoke("receipt", "verify", file, "--network", alone.folder / "network.toml").stdout
    assert "filled 2 at 100.50, resting" in text
    assert "cancelled (requested): 3 of 5 filled, 2 cancelled" in text
    assert "not pinned" not in text
    loose = answer("receipt", "verify", file)
    assert not loose["pinned"]
    assert "anybody can make one" in loose["not_shown"][0]
    assert answer("receipt", "verify", file, "--chain-id", made["chain_id"])["pinned"]


def test_all_sources_give_the_same_receipt(traded, tmp_path):
    alone, folder = traded
    write(alone, folder, tmp_path / "link")
    write(alone, folder, tmp_path / "folder", "--home", alone.home(1), "--offline")
    answer("export", "BTC-USD", "--home", alone.home(1), "-o", tmp_path / "x.ndjson")
    write(alone, folder, tmp_path / "export", "--export", tmp_path / "x.ndjson")
    peer = ("--peer", alone.endpoint(1)["listen"], "--network", alone.folder / "network.toml")
    write(alone, folder, tmp_path / "address", *peer)
    raws = {(tmp_path / name).read_bytes() for name in ("link", "folder", "export", "address")}
    assert len(raws) == 1


def test_a_false_receipt_is_refused_with_the_reason(traded, tmp_path):
    alone, folder = traded
    file = tmp_path / "a.receipt"
    write(alone, folder, file)
    raw = file.read_bytes()
    file.write_bytes(raw[:900] + bytes([raw[900] ^ 1]) + raw[901:])
    assert "damaged" in invoke("receipt", "verify", file, code=1).stderr
    assert "damaged" in answer("receipt", "verify", file, code=1)["reason"]
    file.write_bytes(raw)
    other = tmp_path / "other"
    invoke("network", "init", other)
    refused = invoke("receipt", "verify", file, "--network", other / "network.toml", code=1)
    assert "another network" in refused.stderr
    assert "another network" in invoke("receipt", "verify", file, "--chain-id", "ab" * 32, code=1).stderr
    invoke("receipt", "verify", file, "--chain-id", "ab", code=2)


def test_an_order_that_is_not_there(traded, tmp_path):
    alone, folder = traded
    where = ("receipt", "BTC-USD", 7, "--key", folder / "bob.key", "-o", tmp_path / "x")
    assert "no certified op" in invoke(*where, "--home", alone.home(1), code=1).stderr
    assert "no certified op" in invoke(*where, "--home", alone.home(1), "--offline", code=1).stderr
    assert "no pair" in invoke("receipt", "NO-USD", 7, *where[3:], "--home", alone.home(1), code=2).stderr
    assert not (tmp_path / "x").exists()


def test_after_a_restart_and_without_its_archive(traded, tmp_path):
    """The archive of events is derived: lost or damaged, it is made again, and the folder alone does without."""
    alone, folder = traded
    write(alone, folder, tmp_path / "before")
    archive = alone.home(1) / "data" / "events.db"
    for damage in (lambda: None, archive.unlink, lambda: archive.write_bytes(b"not a database" * 500)):
        alone.kill(1)
        for rest in archive.parent.glob("events.db-*"):
            rest.unlink()
        damage()
        write(alone, folder, tmp_path / "stopped", "--home", alone.home(1), "--offline")
        alone.start(1)
        write(alone, folder, tmp_path / "after")
        assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()
        assert (tmp_path / "before").read_bytes() == (tmp_path / "stopped").read_bytes()


def test_the_story_of_an_order(traded):
    alone, folder = traded
    where = ("explain", "BTC-USD", 1, "--key", folder / "alice.key", "--home", alone.home(1))
    text = invoke(*where).stdout
    assert "asked    sell 5 BTC-USD at 100.50 gtc" in text
    assert "filled 1 at 100.50, resting, against" in text
    story = answer(*where)
    assert [event["kind"] for block in story["blocks"] for event in block["events"]] == [
        "accepted",
        "fill",
        "fill",
        "cancelled",
    ]
    unknown = invoke("explain", "BTC-USD", 9, *where[3:], code=1).stderr
    assert "no op that enters order 9" in unknown
    assert "last certified order is 1" in unknown


def test_who_says_that_they_hold_it(network, new_trader):
    """The peer that took an op from a client asks the committee's members whether they hold it, if it has to wait."""
    trader = new_trader()
    where = ("explain", "WAIT-USD", 1, "--author", trader.public_key, "--home")
    slow = [network.processes[number] for number in (3, 4)]
    for process in slow:
        process.send_signal(signal.SIGSTOP)
    try:
        trader.do("place", "WAIT-USD", "buy", 1, 1, "--wait", "durable")
        until(lambda: _holders(where, trader.home), "peer 2 says that it holds the op")
    finally:
        for process in slow:
            process.send_signal(signal.SIGCONT)
    assert "says that it holds it too" in invoke(*where, trader.home).stdout
    story = until(lambda: _certified(where, trader.home), "the order is certified")
    assert story["arrival"]["how"] == "from a client"
    height = story["blocks"][0]["height"]
    other = until(lambda: _certified_at(where, network.home(3), height), "peer 3 has the block")
    assert other["arrival"]["how"] != "from a client"
    assert len(other["blocks"][0]["signers"]) >= 3


def _holders(where, home):
    story = _story(where, home)
    return story and story["arrival"]["held_by"]


def _certified(where, home):
    story = _story(where, home)
    return story if story and story["blocks"] else None


def _story(where, home):
    result = CliRunner(env={}).invoke(commands, [*map(str, where), str(home), "--json"])
    return json.loads(result.stdout.splitlines()[-1]) if result.exit_code == 0 else None


def _certified_at(where, home, height):
    story = _certified(where, home)
    return story if story and any(block["height"] == height for block in story["blocks"]) else None


def test_the_name_of_the_file_says_whose_it_is(traded, tmp_path, monkeypatch):
    alone, folder = traded
    monkeypatch.chdir(tmp_path)
    made = answer("receipt", "BTC-USD", 2, "--key", folder / "bob.key", "--home", alone.home(1))
    assert made["file"] == f"BTC-USD-{made['author'][:10]}-2.receipt"
    shutil.copy(made["file"], "copy")
    assert answer("receipt", "verify", "copy")["state"]["status"] == "filled"


def test_verifying_imports_neither_the_network_nor_tables(traded, tmp_path):
    alone, folder = traded
    write(alone, folder, tmp_path / "a.receipt")
    code = f"""
import sys
sys.argv = ["gossipbook", "receipt", "verify", {str(tmp_path / "a.receipt")!r}, "--json"]
from gossipbook.cli import main
try:
    main()
finally:
    print([m for m in sys.modules if m in ("trio", "rich", "sqlite3", "asyncio", "ssl") or m.startswith(
        ("gossipbook.net", "gossipbook.peer", "gossipbook.storage", "gossipbook.dht", "gossipbook.matching.engine"))])
"""
    done = subprocess.run([*BINARY[:1], "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    first, last = done.stdout.splitlines()
    assert json.loads(first)["verdict"] == "valid"
    assert last == "[]"
