"""Orders with terms, on real peers: icebergs, minimum quantities, stops, slides, and ends for a lost quorum."""

import time

import pytest

from gossipbook.limits import LIMITS_SINCE
from gossipbook.manifest import RULES_VERSION
from gossipbook.trade.units import BadAmount, duration_to_ms, format_duration

from .support import answer, invoke, signed_ops, until

SPECIALS = (
    ["order", "place", "A-B", "sell", 10, 100, "--iceberg", 2],
    ["order", "place", "A-B", "sell", 10, 100, "--min", 2],
    ["order", "place", "A-B", "sell", 10, 100, "--stop", 110],
    ["order", "place", "A-B", "sell", 10, 100, "--slide"],
    ["order", "lease", "A-B", "30s"],
    ["order", "lease", "A-B", "30s", "--keep"],
    ["group", "join", "ab" * 32],
    ["group", "leave"],
    ["group", "admit", "ab" * 32],
    ["group", "expel", "ab" * 32],
    ["pair", "state", "A-B", "halted"],
)


def test_an_iceberg_shows_a_slice_at_a_time(network, new_trader):
    maker, taker = new_trader(), new_trader(peer=2)
    placed = maker.do("place", "ICE-USD", "sell", 10, 100, "--iceberg", 2)
    assert (placed["state"]["status"], placed["state"]["open"], placed["state"]["hidden"]) == ("open", "10", "8")
    asks = answer("book", "ICE-USD", "--home", network.home(1))["asks"]
    assert [(level["price_ticks"], level["open_lots"]) for level in asks] == [(10_000, 2)]
    assert taker.do("place", "ICE-USD", "buy", 3, 100)["fills"] == [{"qty": "3", "price": "100.00"}]
    state = maker.show("ICE-USD", 1)
    assert (state["filled"], state["open"], state["hidden"]) == ("3", "7", "6")
    text = invoke("order", "show", "ICE-USD", 1, "--key", maker.key, "--home", maker.home).stdout
    assert "7 open (an iceberg: 1 shown, 6 hidden)" in text
    assert maker.do("amend", "ICE-USD", 1, "--qty", 5)["state"]["hidden"] == "1"
    assert maker.do("place", "ICE-USD", "sell", 1, 101)["client_id"] == 2, "icebergs use their numbers up"


def test_an_order_below_its_minimum_does_not_fill(new_trader):
    maker, taker = new_trader(), new_trader()
    maker.do("place", "ICE-USD", "buy", 2, 50)
    state = taker.do("place", "ICE-USD", "sell", 5, 50, "--min", 3)["state"]
    assert (state["status"], state["reason"], state["filled"]) == ("cancelled", "below-minimum", "0")
    state = taker.do("place", "ICE-USD", "sell", 5, 50, "--min", 2)["state"]
    assert (state["status"], state["filled"], state["open"]) == ("open", "2", "3")
    taker.do("cancel-all", "ICE-USD")


def test_a_stop_waits_and_is_triggered_by_a_trade(network, new_trader):
    holder, maker, taker = new_trader(), new_trader(peer=2), new_trader(peer=3)
    maker.do("place", "STOP-USD", "buy", 1, 95)
    maker.do("place", "STOP-USD", "buy", 5, 94)
    stop = holder.do("place", "STOP-USD", "sell", 2, 90, "--stop", 95)
    limit = holder.do("place", "STOP-USD", "sell", 9, 94, "--stop", 95, "--type", "stop-limit")
    assert [made["state"]["status"] for made in (stop, limit)] == ["waiting", "waiting"]
    text = invoke("order", "show", "STOP-USD", 1, "--key", holder.key, "--home", holder.home).stdout
    assert "waiting for a trade at 95.00: 0 of 2 filled, 2 open" in text
    taker.do("place", "STOP-USD", "sell", 1, 95)
    state = holder.show("STOP-USD", 1)
    assert (state["status"], state["filled"], state["triggered"], state["stop"]) == ("filled", "2", True, "95.00")
    state = holder.show("STOP-USD", 2)
    assert (state["status"], state["filled"], state["open"]) == ("open", "3", "6")
    text = invoke("order", "show", "STOP-USD", 2, "--key", holder.key, "--home", holder.home).stdout
    assert "open since its stop was triggered: 3 of 9 filled, 6 open" in text
    again = holder.do("place", "STOP-USD", "sell", 1, 90, "--stop", 95, code=1)
    assert again["rejected"] == "stop-would-trigger"
    assert answer("pair", "show", "STOP-USD", "--home", network.home(1))["last_price"] == "94.00"


def test_a_sliding_order_takes_the_nearest_price_that_rests(new_trader):
    maker, slider = new_trader(), new_trader()
    maker.do("place", "SLIDE-USD", "sell", 3, 100)
    assert slider.do("place", "SLIDE-USD", "buy", 2, 105, "--post-only", code=1)["rejected"] == "post-only-would-cross"
    state = slider.do("place", "SLIDE-USD", "buy", 2, 105, "--slide")["state"]
    assert (state["status"], state["price"], state["open"]) == ("open", "99.99", "2")
    where = ("--key", slider.key, "--home", slider.home)
    text = invoke("order", "place", "SLIDE-USD", "buy", 1, 100, "--post-only", "--slide", *where).stdout
    assert "slid    to 99.99" in text


def test_an_order_that_does_not_outlast_a_lost_quorum_has_an_end(new_trader):
    trader, other = new_trader(), new_trader()
    kept = trader.do("place", "LOSS-USD", "buy", 1, 10, "--on-quorum-loss", "rest")
    short = trader.do("place", "LOSS-USD", "buy", 1, 10, "--on-quorum-loss", "expire", "--within", "1s", code=None)
    assert short["rejected"] in ("", "op-expired", "already-expired"), "it may be over before it is certified"
    if not short["rejected"]:

        def lapsed():
            other.do("cancel-all", "LOSS-USD")  # A block: without one, block time stands still.
            return trader.show("LOSS-USD", 2)["status"] == "expired"

        until(lapsed, "the order lapses")
    assert trader.show("LOSS-USD", kept["client_id"])["status"] == "open"
    taken = trader.do("place", "LOSS-USD", "buy", 1, 10, "--tif", "ioc", "--on-quorum-loss", "expire", "--within", "1h")
    assert taken["state"]["reason"] == "unfilled", "what never rests has no end of its own"


def test_what_a_lost_quorum_does_to_orders_is_for_their_author_to_say(network, new_trader):
    keeper, careful, taker = new_trader(), new_trader(), new_trader()
    rests = keeper.do("place", "LOSS-USD", "buy", 1, 30)["client_id"]
    lapses = careful.do("place", "LOSS-USD", "buy", 1, 30, "--on-quorum-loss", "expire", "--within", "6s")["client_id"]
    end_ms = time.time() * 1_000 + 6_000
    network.kill(3)
    network.kill(4)
    try:
        network.wait_for_state(1, "no-quorum")
        kept = taker.do("place", "LOSS-USD", "sell", 1, 30, "--wait", "relayed")["client_id"]
        ending = ("--on-quorum-loss", "expire", "--within", "1ms", "--wait", "relayed")
        void = careful.do("place", "LOSS-USD", "buy", 9, 30, *ending)["client_id"]
        until(lambda: time.time() * 1_000 > end_ms, "six seconds on the clock, of which block time knows nothing")
    finally:
        network.start(3)
        network.start(4)
    until(lambda: _settled(taker, kept), "the order is certified")
    until(lambda: careful.show("LOSS-USD", lapses)["status"] == "expired", "its peer has that block as well")
    assert careful.show("LOSS-USD", void)["reason"] == "op-expired"
    assert (keeper.show("LOSS-USD", rests)["filled"], taker.show("LOSS-USD", kept)["filled"]) == ("1", "1")
    network.wait_for_all_links()


def _settled(trader, client_id):
    """Whether an order is in a block; before that, nobody knows it."""
    shown = invoke("order", "show", "LOSS-USD", client_id, "--key", trader.key, "--home", trader.home, code=None)
    return shown.exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--iceberg", 5],
        ["--iceberg", 1, "--tif", "ioc"],
        ["--iceberg", 1, "--stop", 90],
        ["--min", 6],
        ["--min", 2, "--slide"],
        ["--min", 2, "--tif", "fok"],
        ["--type", "stop"],
        ["--type", "market", "--stop", 90],
        ["--stop", 90, "--post-only"],
        ["--slide", "--tif", "ioc"],
        ["--on-quorum-loss", "expire"],
        ["--within", "30s"],
        ["--on-quorum-loss", "rest", "--within", "30s"],
        ["--on-quorum-loss", "rest", "--tif", "gtd", "--expires-ms", 10**13],
        ["--on-quorum-loss", "expire", "--within", "30s", "--expires-ms", 10**13],
        ["--on-quorum-loss", "expire", "--within", "30s", "--op-expires", 30],
        ["--on-quorum-loss", "expire", "--within", "soon"],
    ],
)
def test_contradicting_terms_are_wrong_usage(new_trader, options):
    trader = new_trader()
    invoke("order", "place", "BOOK-USD", "buy", 5, 1, "--key", trader.key, "--home", trader.home, *options, code=2)
    assert trader.signed() == 0


LATER_LIMITS = tuple(name for name, since in LIMITS_SINCE.items() if since > 1)


@pytest.mark.parametrize("command", SPECIALS, ids=lambda command: " ".join(map(str, command)))
def test_a_network_of_the_first_rules_knows_none_of_this(tmp_path, command):
    key = tmp_path / "a.key"
    invoke("keys", "new", key)
    invoke("network", "init", tmp_path / "net", "--pair", "A-B", "--warden", key)
    file = tmp_path / "net" / "network.toml"
    kept = [line for line in file.read_text().splitlines() if not line.startswith(LATER_LIMITS)]
    file.write_text("\n".join(kept).replace(f"rules_version = {RULES_VERSION}", "rules_version = 1"))
    where = ("--key", key, "--peer", "ws://127.0.0.1:1", "--network", file)
    said = invoke(*command, *where, code=2).stderr
    assert "rules of version 1" in said
    assert "Nothing was signed or sent" in said
    assert signed_ops(key) == 0  # as the key was made


DURATIONS = {"500ms": 500, "30s": 30_000, "30": 30_000, "1.5m": 90_000, "2h": 7_200_000, "1d": 86_400_000}


@pytest.mark.parametrize(("text", "ms"), DURATIONS.items())
def test_durations(text, ms):
    assert duration_to_ms(text) == ms
    assert duration_to_ms(format_duration(ms)) == ms


@pytest.mark.parametrize("text", ["", "0s", "-1s", "1w", "0.1ms", "s", "1e3s", "٣s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadAmount, match="duration"):
        duration_to_ms(text)
