"""What is asked of a pair beside orders, on real peers: leases, groups, a warden's states, and mass cancels."""

import json
import shutil
import signal
import subprocess
from contextlib import closing

import pytest

from gossipbook.matching.commands import CancelAll
from gossipbook.storage.keys import load_key
from gossipbook.trade.wallet import Wallet

from .support import BINARY, ENVIRONMENT, answer, invoke, until


def pair_show(network, pair, trader=None):
    return answer("pair", "show", pair, "--home", network.home(1), *(("--key", trader.key) if trader else ()))


def test_a_lease_runs_out_though_nobody_else_trades(network, new_trader):
    trader = new_trader()
    trader.do("place", "LEASE-USD", "buy", 1, 10)
    trader.do("place", "LEASE-USD", "sell", 2, 20)
    leased = trader.do("lease", "LEASE-USD", "1s")
    assert leased["lease_until_ms"] > 0
    until(lambda: trader.show("LEASE-USD", 2)["status"] != "open", "the lease runs out by itself")
    ended = [trader.show("LEASE-USD", number) for number in (1, 2)]
    assert [(order["status"], order["reason"]) for order in ended] == [("cancelled", "lease")] * 2
    shown = pair_show(network, "LEASE-USD", trader)
    assert (shown["own"]["lease_until_ms"], shown["own"]["open_orders"]) == (0, 0)
    assert shown["time_ms"] > leased["lease_until_ms"]


def test_a_lease_is_shown_and_ended(network, new_trader):
    trader = new_trader()
    until_ms = trader.do("lease", "LEASE-USD", "1h")["lease_until_ms"]
    assert pair_show(network, "LEASE-USD", trader)["own"]["lease_until_ms"] == until_ms
    where = ("--home", network.home(1))
    assert "lease       until" in invoke("pair", "show", "LEASE-USD", "--key", trader.public_key, *where).stdout
    assert trader.do("lease", "LEASE-USD", "off")["lease_until_ms"] == 0
    assert "lease       none" in invoke("pair", "show", "LEASE-USD", "--key", trader.key, *where).stdout
    text = invoke("order", "lease", "LEASE-USD", "off", "--key", trader.key, *where).stdout
    assert "no lease: orders stay" in text


LEASES = (["31d"], ["soon"], ["2s", "--keep"], ["off", "--keep"], ["9s", "--keep", "--wait", "durable"])


@pytest.mark.parametrize("arguments", LEASES)
def test_leases_that_cannot_be_are_wrong_usage(new_trader, arguments):
    trader = new_trader()
    invoke("order", "lease", "LEASE-USD", *arguments, "--key", trader.key, "--home", trader.home, code=2)


def test_a_kept_lease_is_renewed_until_interrupted(network, new_trader):
    trader = new_trader()
    trader.do("place", "LEASE-USD", "buy", 1, 10)
    where = ("--key", str(trader.key), "--home", str(trader.home))
    command = [*BINARY, "order", "lease", "LEASE-USD", "3s", "--keep", "--json", *where]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(5)]
        assert trader.show("LEASE-USD", 1)["status"] == "open"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert [line["renewals"] for line in lines] == [1, 2, 3, 4, 5]
    ends = [line["lease_until_ms"] for line in lines]
    assert ends == sorted(set(ends))
    last = json.loads(rest.splitlines()[-1])
    assert (process.returncode, last["stopped"]) == (0, True)
    assert last["lease_until_ms"] >= ends[-1], "it says until when the lease holds"
    until(lambda: trader.show("LEASE-USD", 1)["reason"] == "lease", "and then it runs out")


def test_a_warden_halts_a_pair_and_opens_it_by_an_auction(network, new_trader, warden):
    alice, bob = new_trader(), new_trader(peer=2)
    home = network.home(1)
    set_state = ("pair", "state", "HALT-USD")
    where = ("--key", warden.key, "--home", home)
    alice.do("place", "HALT-USD", "buy", 1, 10)
    assert answer(*set_state, "halted", *where)["trading"] == "halted"
    assert alice.do("place", "HALT-USD", "buy", 1, 10, code=1)["rejected"] == "pair-halted"
    assert alice.do("cancel", "HALT-USD", 1, code=1)["rejected"] == "pair-halted"
    assert "halted: it takes nothing" in invoke("book", "HALT-USD", "--home", home).stdout
    assert "HALT-USD is halted" in invoke("status", "--home", home).stdout
    assert "HALT-USD    halted, certifying" in invoke("pair", "show", "HALT-USD", "--home", home).stdout

    answer(*set_state, "cancel-only", *where)
    assert bob.do("place", "HALT-USD", "sell", 1, 10, code=1)["rejected"] == "pair-cancel-only"
    assert alice.do("cancel", "HALT-USD", 1)["state"]["status"] == "cancelled"

    answer(*set_state, "auction", *where)
    assert bob.do("place", "HALT-USD", "sell", 1, 9, "--tif", "ioc", code=1)["rejected"] == "pair-in-auction"
    for price in (12, 11):
        assert alice.do("place", "HALT-USD", "buy", 5, price)["state"]["filled"] == "0"
    assert bob.do("place", "HALT-USD", "sell", 7, 10)["state"]["filled"] == "0", "orders rest, the book is crossed"
    shown = pair_show(network, "HALT-USD")
    assert (shown["trading"], shown["open_orders"]) == ("auction", 3)
    opened = answer(*set_state, "open", *where)
    assert (opened["trading"], opened["uncrossed"]) == ("open", {"price": "11.00", "qty": "7"})
    assert bob.show("HALT-USD", 2)["filled"] == "0"
    assert [alice.show("HALT-USD", number)["filled"] for number in (3, 4)] == ["5", "2"]
    assert "HALT-USD is" not in invoke("status", "--home", home).stdout


def test_only_a_warden_sets_a_state(network, new_trader):
    trader = new_trader()
    where = ("--key", trader.key, "--home", trader.home)
    said = invoke("pair", "state", "HALT-USD", "halted", *where, code=1).stderr
    assert "only a warden" in said
    assert trader.signed() == 0
    invoke("pair", "state", "HALT-USD", "closed", *where, code=2)
    assert "no pair" in invoke("pair", "state", "NO-USD", "open", *where, code=2).stderr


def test_a_group_keeps_two_wallets_from_trading_with_each_other(network, new_trader):
    owner, member = new_trader(), new_trader(peer=2)

    def group(trader, *words):
        told = answer("group", *words, "--pair", "GROUP-USD", "--key", trader.key, "--home", trader.home)
        return told["pairs"][0]["consent"]

    assert group(member, "join", owner.public_key) == 1
    shown = pair_show(network, "GROUP-USD", member)["own"]
    assert (shown["owner"], shown["wants"]) == (member.public_key, owner.public_key)
    assert group(owner, "admit", member.key) == 3
    assert pair_show(network, "GROUP-USD", member)["own"]["owner"] == owner.public_key
    assert pair_show(network, "GROUP-USD", owner)["own"]["members"] == [member.public_key]
    owner.do("place", "GROUP-USD", "sell", 5, 100)
    state = member.do("place", "GROUP-USD", "buy", 5, 100)["state"]
    assert (state["status"], state["reason"], state["filled"]) == ("cancelled", "self-trade", "0")
    assert group(owner, "expel", member.public_key) == 1
    assert member.do("place", "GROUP-USD", "buy", 5, 100)["state"]["status"] == "filled"
    assert group(member, "leave") == 0
    text = invoke("group", "leave", "--pair", "GROUP-USD", "--key", member.key, "--home", member.home).stdout
    assert "in no other group" in text


def test_admitting_oneself_is_refused_and_told(new_trader):
    trader = new_trader()
    where = ("--key", trader.key, "--home", trader.home)
    done = invoke("group", "admit", trader.key, "--pair", "GROUP-USD", *where, code=1)
    assert "GROUP-USD: invalid-combination" in done.stderr
    assert "neither a public key" in invoke("group", "admit", "bob", *where, code=2).stderr


def test_a_mass_cancel_takes_all_orders_of_all_pairs(new_trader):
    trader = new_trader()
    for pair in ("MASS-USD", "BOOK-USD"):
        trader.do("place", pair, "buy", 1, 1)
        trader.do("place", pair, "sell", 1, 5_000)
    told = trader.do("cancel-all", "--side", "sell")
    assert {row["pair"]: row["cancelled_ids"] for row in told["pairs"]} == {"MASS-USD": [2], "BOOK-USD": [2]}
    assert "ICE-USD" in told["skipped"]
    told = trader.do("cancel-all", "MASS-USD")
    assert [(row["pair"], row["cancelled_ids"]) for row in told["pairs"]] == [("MASS-USD", [1])]
    text = invoke("order", "cancel-all", "--key", trader.key, "--home", trader.home).stdout
    assert "MASS-USD  certified" in text
    assert "1 cancelled: 1" in text
    assert [trader.show(pair, 1)["reason"] for pair in ("MASS-USD", "BOOK-USD")] == ["cancel-all"] * 2


def test_a_wrong_name_is_said_before_anything_is_cancelled(new_trader):
    trader = new_trader()
    trader.do("place", "MASS-USD", "buy", 1, 1)
    done = invoke("order", "cancel-all", "MASS-USD", "NO-USD", "--key", trader.key, "--home", trader.home, code=2)
    assert "no pair 'NO-USD'" in done.stderr
    assert trader.show("MASS-USD", 1)["status"] == "open"


def test_a_mass_cancel_goes_on_where_one_pair_fails(network, new_trader, tmp_path):
    trader, copy = new_trader(), tmp_path / "copy.key"
    shutil.copy(trader.key, copy)
    chain_id = bytes.fromhex(answer("network", "show", network.folder / "network.toml")["chain_id"])
    with closing(Wallet(load_key(copy), chain_id, copy.with_name("copy.key.ops"))) as wallet:
        wallet.sign("MASS-USD", [CancelAll(0)])  # It stays there, to be sent with the next.
    for pair in ("MASS-USD", "BOOK-USD"):
        trader.do("place", pair, "buy", 1, 1)
    where = ("--key", copy, "--home", trader.home)
    done = invoke("order", "cancel-all", *where, "--json", code=1)
    told = json.loads(done.stdout.splitlines()[-1])
    assert {row["pair"]: row["cancelled_ids"] for row in told["pairs"]} == {"BOOK-USD": [1]}
    assert list(told["failed"]) == ["MASS-USD"]
    assert "another copy of this key signed op 0 in MASS-USD" in done.stderr
    assert trader.show("MASS-USD", 1)["status"] == "open"
    copy.with_name("copy.key.ops").unlink()
    answer("order", "cancel-all", *where)
    assert trader.show("MASS-USD", 1)["reason"] == "cancel-all"
