"""Orders by hand: placed, filled, amended, cancelled and shown, in decimals."""

import subprocess
from contextlib import closing

import pytest

from gossipbook.matching.commands import Place, Side
from gossipbook.trade.wallet import Wallet

from .support import BINARY, ENVIRONMENT, answer, invoke, until


def test_an_order_fills_and_both_sides_are_told(network, new_trader):
    maker, taker = new_trader(peer=1), new_trader(peer=2)
    placed = maker.do("place", "ABC-USD", "sell", "0.5", "100.25")
    assert (placed["level"], placed["rejected"], placed["state"]["status"]) == ("certified", "", "open")
    assert placed["order"] == f"{maker.public_key}:1"
    took = taker.do("place", "ABC-USD", "buy", "0.125", "101")
    assert took["fills"] == [{"qty": "0.125", "price": "100.25"}]
    assert (took["state"]["status"], took["state"]["filled"], took["height"] > placed["height"]) == (
        "filled",
        "0.125",
        True,
    )
    shown = maker.show("ABC-USD", 1)
    assert (shown["status"], shown["open"], shown["price"], shown["price_ticks"]) == ("open", "0.375", "100.25", 10025)
    by_author = answer("order", "show", "ABC-USD", 1, "--author", maker.public_key, "--home", network.home(1))
    assert by_author == shown
    text = invoke("order", "show", "ABC-USD", 1, "--key", maker.key, "--home", maker.home).stdout
    assert "sell 0.500 ABC-USD at 100.25" in text
    assert "open: 0.125 of 0.500 filled, 0.375 open" in text


def test_what_is_not_a_tick_or_a_lot_is_refused_before_signing(new_trader):
    trader = new_trader()
    where = ("--key", trader.key, "--home", trader.home)
    assert "tick size 0.01" in invoke("order", "place", "ABC-USD", "buy", "1", "1.005", *where, code=1).stderr
    assert "lot size 0.001" in invoke("order", "place", "ABC-USD", "buy", "1.0005", "1", *where, code=1).stderr
    assert "no pair 'NO-USD'" in invoke("order", "place", "NO-USD", "buy", "1", "1", *where, code=2).stderr
    assert trader.do("place", "KEY-USD", "buy", 1, 1)["seq"] == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--type", "market", "--tif", "gtc"],
        ["--post-only", "--tif", "ioc"],
        ["--tif", "gtd"],
        ["--expires-ms", str(2**64)],
        ["--tif", "fok", "--expires-ms", "5"],
    ],
)
def test_contradicting_options_are_wrong_usage(new_trader, options):
    trader = new_trader()
    invoke("order", "place", "BOOK-USD", "buy", 1, 1, "--key", trader.key, "--home", trader.home, *options, code=2)


def test_a_refused_command_exits_with_1_and_the_reason(new_trader):
    maker, other = new_trader(), new_trader()
    maker.do("place", "AMEND-USD", "sell", 5, 500)
    refused = other.do("place", "AMEND-USD", "buy", 1, 500, "--post-only", code=1)
    assert (refused["level"], refused["rejected"]) == ("certified", "post-only-would-cross")
    assert other.show("AMEND-USD", 1)["reason"] == "post-only-would-cross"
    assert maker.do("cancel", "AMEND-USD", 9, code=1)["rejected"] == "unknown-order"
    assert maker.do("amend", "AMEND-USD", 1, "--qty", 6, "--reduce-only", code=1)["rejected"] == "not-a-reduction"
    done = invoke("order", "cancel", "AMEND-USD", 9, "--key", maker.key, "--home", maker.home, code=1)
    assert "certified, and rejected by the book: unknown-order" in done.stderr
    assert maker.do("cancel", "AMEND-USD", 1)["state"]["status"] == "cancelled"


def test_amend_and_cancel_all(new_trader):
    trader = new_trader()
    for price in (10, 11, 12):
        trader.do("place", "AMEND-USD", "buy", 4, price)
    amended = trader.do("amend", "AMEND-USD", 2, "--qty", 3, "--price", "11.50")["state"]
    assert (amended["qty"], amended["price"]) == ("3", "11.50")
    assert trader.do("amend", "AMEND-USD", 2, "--qty", 1, "--reduce-only")["state"]["open"] == "1"
    assert trader.do("cancel", "AMEND-USD", 1)["state"]["status"] == "cancelled"
    told = trader.do("cancel", "AMEND-USD", "--all", "--side", "sell")
    assert (told["cancelled_ids"], told["outcome"]) == ([], "certified")
    assert trader.do("cancel", "AMEND-USD", "--all")["cancelled_ids"] == [3, 2]  # 2 was re-entered last


def test_immediate_orders_do_not_rest(new_trader):
    trader = new_trader()
    for options in (["--tif", "ioc"], ["--tif", "fok"], ["--type", "market"]):
        state = trader.do("place", "WAIT-USD", "buy", 1, 1, *options)["state"]
        assert (state["status"], state["reason"]) == ("cancelled", "unfilled")


def test_waiting_for_less_and_sending_again(new_trader):
    trader = new_trader()
    first = trader.do("place", "WAIT-USD", "buy", 1, 1, "--wait", "durable")
    assert first["level"] in ("durable", "relayed", "certified")
    assert trader.do("place", "WAIT-USD", "buy", 1, 2, "--wait", "relayed")["level"] in ("relayed", "certified")
    prepared = trader.do("place", "WAIT-USD", "buy", 1, 3, "--wait", "prepared")
    assert (prepared["level"], prepared["outcome"]) in (("prepared", "unknown"), ("certified", "certified"))
    last = trader.do("place", "WAIT-USD", "buy", 1, 3)
    assert (last["seq"], last["level"]) == (3, "certified")
    assert trader.do("place", "WAIT-USD", "buy", 1, 4)["resent"] == 0
    assert trader.show("WAIT-USD", 1)["status"] == "open"


def test_a_wallet_restored_from_its_key_alone_goes_on_where_it_was(new_trader):
    trader = new_trader()
    trader.do("place", "KEY-USD", "buy", 1, 1)
    trader.do("place", "KEY-USD", "buy", 1, 2)
    for file in trader.key.parent.glob(trader.key.name + ".ops*"):
        file.unlink()
    placed = trader.do("place", "KEY-USD", "buy", 1, 3)
    assert (placed["seq"], placed["client_id"], placed["state"]["status"]) == (2, 3, "open")


def test_two_processes_with_one_key_take_turns(network, new_trader):
    trader = new_trader()
    command = [
        *BINARY,
        "order",
        "place",
        "KEY-USD",
        "buy",
        "1",
        "1",
        "--key",
        trader.key,
        "--home",
        trader.home,
        "--json",
    ]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) for _ in range(3)]
    try:
        codes = [process.wait(30) for process in started]
    finally:
        for process in started:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
    assert codes == [0, 0, 0]
    assert [trader.show("KEY-USD", number)["status"] for number in (1, 2, 3)] == ["open"] * 3


def test_a_loose_key_is_refused(new_trader):
    trader = new_trader()
    trader.key.chmod(0o644)
    where = ("--key", trader.key, "--home", trader.home)
    assert "chmod 600" in invoke("order", "place", "ABC-USD", "buy", 1, 1, *where, code=1).stderr


def test_the_book_shows_asks_above_bids(network, new_trader):
    trader = new_trader()
    trader.do("place", "BOOK-USD", "sell", 3, "20.50")
    trader.do("place", "BOOK-USD", "sell", 1, "21")
    trader.do("place", "BOOK-USD", "buy", 2, "1000.00", "--tif", "ioc", "--self-trade", "cancel-taker")
    trader.do("place", "BOOK-USD", "buy", 2, "19.25")
    lines = invoke("book", "BOOK-USD", "--home", network.home(1)).stdout.splitlines()
    ladder = [line.split()[:3] for line in lines if line.startswith(("ask", "bid", "spread"))]
    assert ladder == [["ask", "21.00", "1"], ["ask", "20.50", "3"], ["spread", "1.25"], ["bid", "19.25", "2"]]
    assert "certifying" in lines[0]
    view = answer("book", "BOOK-USD", "--levels", 1, "--home", network.home(1))
    assert [level["price_ticks"] for level in view["asks"]] == [2050]


def test_a_cancel_that_found_nothing_says_so(new_trader):
    trader = new_trader()
    trader.do("place", "AMEND-USD", "buy", 1, 1)
    trader.do("cancel", "AMEND-USD", 1)
    where = ("--key", trader.key, "--home", trader.home)
    assert "nothing to cancel" in invoke("order", "cancel", "AMEND-USD", "--all", *where).stdout
    text = invoke("order", "cancel-all", *where).stdout
    assert "AMEND-USD  certified" in text
    assert "nothing to cancel" in text


def test_an_order_that_only_its_wallet_knows_is_not_denied(network, new_trader):
    trader = new_trader()
    chain_id = bytes.fromhex(answer("network", "show", network.folder / "network.toml")["chain_id"])
    with closing(Wallet.open(trader.key, chain_id)) as wallet:
        wallet.sign("KEY-USD", [Place(1, Side.BUY, 1, 150, 2, 1)])
    where = ("--key", trader.key, "--home", trader.home)
    text = invoke("order", "show", "KEY-USD", 1, *where).stdout
    assert "buy 2 KEY-USD at 1.50" in text
    assert "signed, and not certified yet" in text
    told = trader.show("KEY-USD", 1)
    assert (told["status"], told["known"], told["price"], told["seq"]) == ("signed", False, "1.50", 0)
    assert "no order 2" in invoke("order", "show", "KEY-USD", 2, *where, code=1).stderr
    assert (
        "no order 1" in invoke("order", "show", "KEY-USD", 1, "--author", trader.public_key, *where[2:], code=1).stderr
    )
    assert trader.do("place", "KEY-USD", "buy", 1, 1)["resent"] == 1
    assert (trader.show("KEY-USD", 1)["status"], trader.show("KEY-USD", 2)["status"]) == ("open", "open")


def test_a_lost_wallet_is_not_made_by_looking_for_an_order(new_trader):
    trader = new_trader()
    ops = trader.key.with_name(trader.key.name + ".ops")
    ops.unlink()
    invoke("order", "show", "KEY-USD", 1, "--key", trader.key, "--home", trader.home, code=1)
    assert not ops.exists()


def test_with_a_lost_wallet_fewer_answers_than_a_quorums_can_be_accepted(network, new_trader):
    trader = new_trader()
    trader.do("place", "KEY-USD", "buy", 1, 1)
    for file in trader.key.parent.glob(trader.key.name + ".ops*"):
        file.unlink()
    network.kill(3)
    network.kill(4)
    try:
        place = ("order", "place", "KEY-USD", "buy", 1, 2, "--key", trader.key, "--home", trader.home, "--timeout", 4)
        said = invoke(*place, code=1).stderr
        assert "refused: the wallet beside this key holds no ops of KEY-USD, so 3 committee members must say" in said
        told = answer(*place, "--accept-fewer-answers", "--wait", "durable")
        assert (told["client_id"], told["outcome"]) == (2, "unknown")
        assert trader.show("KEY-USD", 2)["status"] == "pending"
    finally:
        network.start(3)
        network.start(4)
        network.wait_for_all_links()
    until(lambda: trader.show("KEY-USD", 2)["status"] == "open", "it is certified once there is a quorum again")
