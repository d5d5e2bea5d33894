"""Exports of running and stopped peers, and the verdicts on them."""

import json

from .support import Network, answer, invoke, until


def _export(network, number, file, *options):
    return answer("export", "CHAIN-USD", "--home", network.home(number), "-o", file, *options)


def _height(network, number):
    status = answer("status", "--home", network.home(number))
    return next(pair["height"] for pair in status["pairs"] if pair["symbol"] == "CHAIN-USD")


def test_exports_of_two_peers_agree_and_are_valid(network, new_trader, tmp_path):
    maker, taker = new_trader(), new_trader(peer=2)
    maker.do("place", "CHAIN-USD", "sell", 5, 100)
    height = taker.do("place", "CHAIN-USD", "buy", 3, 100)["height"]
    until(lambda: _height(network, 3) >= height, "peer 3 has the block")
    files = [tmp_path / "one.ndjson", tmp_path / "three.ndjson"]
    assert _export(network, 1, files[0])["blocks"] == height
    assert _export(network, 3, files[1])["blocks"] == height
    manifest = network.folder / "network.toml"
    report = answer("verify", *files, "--network", manifest)
    assert (report["verdict"], report["fills"], report["double_fills"]) == ("valid", 1, 0)
    assert report["digests_equal"]
    text = invoke("verify", *files).stdout
    assert "valid" in text
    assert "CHAIN-USD" in text

    short = tmp_path / "short.ndjson"
    assert _export(network, 1, short, "--last", 1)["blocks"] == 1
    assert answer("verify", short, code=3)["verdict"] == "unknown"

    _forge(files[0])
    result = invoke("verify", files[0], code=1)
    assert "invalid" in result.stdout
    assert "block 1" in result.stderr
    assert answer("verify", files[0], files[1], code=1)["reasons"]


def _forge(file):
    lines = file.read_text().splitlines()
    block = json.loads(lines[1])
    block["time_ms"] += 1
    lines[1] = json.dumps(block)
    file.write_text("\n".join(lines) + "\n")


def test_an_export_goes_to_standard_output(network):
    lines = invoke("export", "CHAIN-USD", "--home", network.home(1)).stdout.splitlines()
    assert json.loads(lines[0])["kind"] == "header"
    assert {json.loads(line)["kind"] for line in lines[1:]} <= {"block"}


def test_json_needs_a_file(network):
    assert "-o FILE" in invoke("export", "CHAIN-USD", "--home", network.home(1), "--json", code=2).stderr


def test_a_file_that_is_no_export_is_invalid(tmp_path):
    file = tmp_path / "x.ndjson"
    file.write_text("not an export\n")
    assert answer("verify", file, code=1)["verdict"] == "invalid"


def test_an_unknown_pair_and_a_folder_without_a_journal(network, tmp_path):
    assert "no pair 'NO-USD'" in invoke("export", "NO-USD", "--home", network.home(1), code=2).stderr
    invoke("network", "init", tmp_path / "net")
    assert "never started" in invoke("export", "BTC-USD", "--home", tmp_path / "net" / "peer1", code=1).stderr


def test_a_stopped_peer_exports_too(tmp_path):
    alone = Network(tmp_path / "net", 1, ["CHAIN-USD"])
    alone.start(1)
    try:
        invoke("keys", "new", tmp_path / "a.key")
        where = ("--key", tmp_path / "a.key", "--home", alone.home(1), "--timeout", 20)
        answer("order", "place", "CHAIN-USD", "buy", 1, 1, *where)
        alone.kill(1)
    finally:
        alone.stop_all()
    assert _export(alone, 1, tmp_path / "a.ndjson")["blocks"] == 1
