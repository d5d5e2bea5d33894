"""Accounts and markets at the command line: by text id, statements, proofs, drop copies, trades and candles."""

import json
import signal
import subprocess

import pytest

from .support import BINARY, ENVIRONMENT, answer, invoke, until

PAIR, OTHER = "ACCT-USD", "TEXT-USD"


def test_an_order_placed_again_under_its_text_is_the_same_one(network, new_trader):
    trader = new_trader()
    first = trader.do("place", PAIR, "buy", "0.5", "7", "--text-id", "my first")
    again = trader.do("place", PAIR, "buy", "0.5", "7", "--text-id", "my first")
    assert (again["order"], again["op_id"]) == (first["order"], first["op_id"])
    assert trader.signed() == 1
    where = ("--key", trader.key, "--home", trader.home)
    other = invoke("order", "place", PAIR, "buy", "0.5", "8", "--text-id", "my first", *where, code=2)
    assert "it is another order than this one" in other.stderr
    shown = answer("order", "show", PAIR, "--text-id", "my first", *where)
    assert (shown["price"], shown["status"]) == ("7.00", "open")
    by_peer = answer(
        "order", "show", PAIR, "--text-id", "my first", "--author", trader.public_key, "--home", trader.home
    )
    assert by_peer == shown
    assert trader.do("amend", PAIR, "--text-id", "my first", "--qty", "0.25")["rejected"] == ""
    assert trader.do("cancel", PAIR, "--text-id", "my first")["rejected"] == ""
    unknown = invoke("order", "cancel", PAIR, "--text-id", "none", *where, code=2)
    assert "has the text id 'none'" in unknown.stderr
    for wrong in ([], ["1", "--text-id", "x"], ["--all", "--text-id", "x"]):
        assert "give either CLIENT_ID" in invoke("order", "cancel", PAIR, *wrong, *where, code=2).stderr


def test_a_statement_its_proof_and_its_pages(network, new_trader):
    maker, taker = new_trader(peer=1), new_trader(peer=2)
    for _ in range(3):
        maker.do("place", PAIR, "sell", "0.5", "90")
        taker.do("place", PAIR, "buy", "0.5", "90", "--text-id", f"t{taker.signed()}")
    resting = taker.do("place", PAIR, "buy", "0.125", "6")
    where = ("--author", taker.public_key, "--home", network.home(1))
    settled = lambda: answer("statement", PAIR, *where)["positions"][0]["height"] >= resting["height"]  # noqa: E731
    until(settled, "the peer keeps the accounts")
    row = answer("statement", PAIR, *where)["positions"][0]
    assert (row["position_lots"], row["bought_quote"], row["open_orders"]) == (1_500, 1_500 * 9_000, 1)
    fills = answer("statement", PAIR, "--fills", *where)["fills"]
    assert [fill["text_id"] for fill in fills] == ["t0", "t1", "t2"]
    early = answer("statement", PAIR, "--at", f"h{fills[0]['height']}", *where)["positions"][0]
    assert early["position_lots"] == 500
    page = answer("statement", PAIR, "--fills", "--after", fills[0]["number"], "--limit", 1, *where)["fills"]
    assert page == fills[1:2]
    assert [order["open_lots"] for order in answer("statement", PAIR, "--open", *where)["orders"]] == [125]
    proof = answer("statement", PAIR, "--prove", *where)
    assert (proof["position_lots"], proof["orders"], proof["proven"]) == (1_500, 3, True)
    proven = "proven: 1.500 ACCT-USD by the receipts of 3 orders, 3 fills"
    assert proven in invoke("statement", PAIR, "--prove", *where).stdout
    everything = invoke("statement", *where).stdout
    assert PAIR in everything
    assert "1.500" in everything
    assert "taker" in invoke("statement", PAIR, "--fills", *where).stdout
    assert "t1" in invoke("statement", PAIR, "--orders", *where).stdout
    short = invoke("statement", PAIR, "--key", maker.key, "--home", network.home(1)).stdout
    assert "-1.500" in short
    assert "for one PAIR" in invoke("statement", "--fills", *where, code=2).stderr
    assert "expected an event's number" in invoke("statement", PAIR, "--at", "noon", *where, code=1).stderr


def test_trades_and_candles(network, new_trader):
    maker, taker = new_trader(peer=1), new_trader(peer=2)
    maker.do("place", OTHER, "sell", "5", "80")
    done = taker.do("place", OTHER, "buy", "2", "80")
    home = ("--home", network.home(1))
    until(lambda: answer("trades", OTHER, *home)["height"] >= done["height"], "the peer keeps the trades")
    trade = answer("trades", OTHER, "--limit", 1, *home)["trades"][0]
    assert (trade["taker_side"], trade["height"]) == ("buy", done["height"])
    shown = invoke("trades", OTHER, *home).stdout
    assert "80" in shown
    assert "taker" in shown
    assert "1 " in invoke("candles", OTHER, "1h", *home).stdout
    assert answer("candles", OTHER, "1d", *home)["candles"][-1][4] == trade["price_ticks"]
    assert "no trades up to block" in invoke("trades", PAIR, "--before", "1", *home).stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_a_drop_copy_is_followed_until_ctrl_c(network, new_trader, as_json):
    maker, taker = new_trader(peer=1), new_trader(peer=2)
    options = ["statement", PAIR, "--follow", "--author", taker.public_key, "--home", str(network.home(1))]
    command = [*BINARY, *options, *(["--json"] if as_json else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as following:
        maker.do("place", PAIR, "sell", "0.5", "91")
        taker.do("place", PAIR, "buy", "0.5", "91", "--text-id", "seen")
        assert following.stdout is not None
        line = following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0
    assert (json.loads(line)["text_id"] if as_json else line.split()[4]) == "seen"
