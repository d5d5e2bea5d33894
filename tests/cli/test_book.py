"""``book --level``: certified books at three levels of detail, once and block by block."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .support import BINARY, ENVIRONMENT, Network, Trader, answer, invoke, until

PAIR = "ABC-USD"
DOC = (Path(__file__).parents[2] / "docs" / "BOOKS.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A network of one, with a book of three orders and a trade."""
    made = Network(tmp_path_factory.mktemp("books") / "net", 1, [f"{PAIR}:0.01:0.001"])
    made.start(1)
    try:
        made.wait_for_state(1, "certifying")
        maker = Trader(made, tmp_path_factory.mktemp("maker") / "author.key")
        maker.do("place", PAIR, "sell", "0.5", "100.25")
        maker.do("place", PAIR, "sell", "0.25", "100.25")
        maker.do("place", PAIR, "buy", "2", "99")
        taker = Trader(made, tmp_path_factory.mktemp("taker") / "author.key")
        taker.do("place", PAIR, "buy", "0.125", "101", "--tif", "ioc")
        yield made, maker, taker
    finally:
        made.stop_all()


def test_level_1(alone):
    network, _, _ = alone
    update = answer("book", PAIR, "--level", 1, "--home", network.home(1))
    assert (update["reset"], update["height"], update["previous"], update["sequence"]) == ("start", 4, 0, 5)
    assert update["state"] == "open"
    assert update["bid"] == {"price": "99.00", "qty": "2.000", "orders": 1}
    assert update["ask"] == {"price": "100.25", "qty": "0.625", "orders": 2}
    assert update["spread"] == "1.25"
    assert update["last"] == {"price": "100.25", "qty": None, "taker_side": None}
    text = invoke("book", PAIR, "--level", 1, "--home", network.home(1)).stdout
    assert "bid 99.00 × 2.000  ask 100.25 × 0.625  spread 1.25  last 100.25" in text


def test_level_2(alone):
    network, _, _ = alone
    update = answer("book", PAIR, "--level", 2, "--home", network.home(1))
    assert update["asks"] == [{"price": "100.25", "qty": "0.625", "orders": 2}]
    assert update["bids"] == [{"price": "99.00", "qty": "2.000", "orders": 1}]
    text = invoke("book", PAIR, "--level", 2, "--home", network.home(1)).stdout
    assert f"checksum {update['checksum']}  open" in text
    assert re.search(r"ask +100\.25 +0\.625 +2\n *bid +99\.00 +2\.000 +1", text)


def test_level_3(alone):
    network, maker, _ = alone
    update = answer("book", PAIR, "--level", 3, "--home", network.home(1))
    assert [(row["action"], row["side"], row["qty"], row["client_id"]) for row in update["orders"]] == [
        ("add", "bid", "2.000", 3),
        ("add", "ask", "0.375", 1),
        ("add", "ask", "0.250", 2),
    ]
    assert {row["author"] for row in update["orders"]} == {maker.public_key}
    assert len(bytes.fromhex(update["digest"])) == 32
    text = invoke("book", PAIR, "--level", 3, "--home", network.home(1)).stdout
    assert re.search(rf"ask +100\.25 +0\.375 +{maker.public_key[:10]} +1\n *ask +100\.25 +0\.250", text)


def test_the_book_as_it_was_is_the_default(alone):
    network, _, _ = alone
    view = answer("book", PAIR, "--home", network.home(1))
    assert [level["open_lots"] for level in view["asks"]] == [625]
    assert "pending" in invoke("book", PAIR, "--home", network.home(1)).stdout


@pytest.mark.parametrize(
    "options",
    [["--follow"], ["--level", 2, "--watch"], ["--level", 4], ["--level", 2, "--json", "--levels", 3]],
)
def test_contradicting_options_are_wrong_usage(alone, options):
    network, _, _ = alone
    invoke("book", PAIR, "--home", network.home(1), *options, code=2)


def test_following_through_a_restart_of_the_peer_with_the_code_of_the_document(alone):
    """The last of this file: it changes the book."""
    network, maker, taker = alone
    command = [*BINARY, "book", PAIR, "--level", "2", "--follow", "--json", "--home", str(network.home(1))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        maker.do("place", PAIR, "buy", "1", "98.5")
        lines.append(process.stdout.readline())
        network.kill(1, signal.SIGTERM)
        network.start(1)
        lines.append(process.stdout.readline())
        taker.do("place", PAIR, "sell", "3", "98")
        lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
    finally:
        process.kill()
    updates = [json.loads(line) for line in lines]
    assert [update["reset"] for update in updates] == ["start", "", "start", ""]
    assert [update["sequence"] for update in updates] == [5, 6, 6, 9]
    assert updates[1]["bids"] == [{"price": "98.50", "qty": "1.000", "orders": 1}]
    assert updates[3]["bids"] == [
        {"price": "99.00", "qty": "0.000", "orders": 0},
        {"price": "98.50", "qty": "0.000", "orders": 0},
    ]
    assert "the link to the peer" in complaints
    assert process.returncode == 0
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", DOC, re.DOTALL) if "stdin" in block)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], input="".join(lines), capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("9: 0 bids, 1 asks\n", "")
    until(lambda: answer("book", PAIR, "--home", network.home(1))["height"] == 6, "the peer is there")
