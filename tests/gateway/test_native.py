"""The native API over HTTP, call by call, against real peers."""

import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

import gossipbook
from gossipbook.identity import Identity
from gossipbook.matching.commands import CancelAll, Place, Side, TimeInForce
from gossipbook.receipt.verifying import verify_receipt

from .live import PAIR, Live, until

STARTED = time.monotonic_ns()


def fresh(name: str) -> str:
    """A text id that no other test has used."""
    return f"{name} {time.monotonic_ns()}"


def test_an_order_from_its_placing_to_its_receipt(live: Live, tmp_path: Path) -> None:
    text = fresh("grid 17")
    sent = live.place("alice", "buy", "100.25", "3", text_id=text)
    assert (sent["progress"], sent["rejected"], sent["text_id"]) == ("certified", "", text)
    order = sent["order"]
    assert (order["status"], order["open"], order["filled"], order["price"], order["tif"]) == (
        *("open", "3", "0", "100.25"),
        "gtc",
    )
    assert live.get("/v1/order", "alice", pair=PAIR, text_id=text) == order
    assert live.get("/v1/orders", "alice", pair=PAIR, only_open=True)["orders"] == [order]
    expected = [{"price": "100.25", "qty": "3", "orders": 1}]
    until(lambda: live.get("/v1/book", pair=PAIR)["bids"] == expected, "the book")
    fill = live.place("bob", "sell", "100.25", "2")
    assert (fill["order"]["status"], fill["order"]["average_price"]) == ("filled", "100.25000000")
    assert [(row["price"], row["qty"], row["role"], row["side"]) for row in fill["fills"]] == [
        ("100.25", "2", "taker", "sell")
    ]
    left = live.get("/v1/order", "alice", pair=PAIR, client_id=sent["client_id"])
    assert (left["open"], left["filled"], left["quote"], left["is_open"]) == ("1", "2", "200.50", True)
    author = live.get("/v1/account", "alice")["author"]
    raw = live.call("GET", "/v1/receipt", params={"pair": PAIR, "author": author, "client_id": sent["client_id"]})
    assert raw.headers["content-type"] == "application/octet-stream"
    proven = verify_receipt(raw.content, live.manifest.chain_id)
    assert (proven.client_id, proven.life.filled_lots) == (sent["client_id"], 2)
    story = live.get("/v1/explain", pair=PAIR, author=author, client_id=sent["client_id"])
    assert story
    file = tmp_path / "order.receipt"
    file.write_bytes(raw.content)
    command = [sys.executable, "-m", "gossipbook", "receipt", "verify", str(file), "--network", live.ready["network"]]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_placing_again_by_the_same_text_is_the_same_order(live: Live) -> None:
    text = fresh("once")
    first = live.place("alice", "buy", "90.00", "1", text_id=text)
    again = live.place("alice", "buy", "90.00", "1", text_id=text)
    assert (again["op_id"], again["client_id"]) == (first["op_id"], first["client_id"])
    order = {"pair": PAIR, "side": "buy", "price": "91", "qty": "1", "text_id": text}
    other = live.call("POST", "/v1/order", "alice", json=order)
    assert (other.status_code, other.json()["code"]) == (409, "text-id-used")
    assert len(live.get("/v1/orders", "alice", pair=PAIR, only_open=True)["orders"]) == 1
    assert live.place("bob", "buy", "89.00", "1", text_id=text)["progress"] == "certified", "texts are an account's own"


def test_waiting_for_less_is_no_error(live: Live) -> None:
    sent = live.place("alice", "buy", "80.00", "1", 202, wait="pending", text_id=(text := fresh("p")))
    assert sent["progress"] in ("pending", "relayed")
    assert sent["order"]["status"] == "pending"
    until(lambda: live.get("/v1/order", "alice", pair=PAIR, text_id=text)["status"] == "open", "its certification")


def test_amending_and_cancelling(live: Live) -> None:
    text = fresh("amended")
    live.place("alice", "sell", "200.00", "5", text_id=text)
    change = {"pair": PAIR, "text_id": text, "qty": "2", "reduce_only": True}
    answer = live.call("PATCH", "/v1/order", "alice", json=change)
    assert (answer.status_code, answer.json()["order"]["qty"]) == (200, "2")
    gone = live.call("DELETE", "/v1/order", "alice", params={"pair": PAIR, "text_id": text}).json()
    assert (gone["rejected"], gone["cancelled"], gone["order"]["status"]) == ("", 1, "cancelled")
    again = live.call("DELETE", "/v1/order", "alice", params={"pair": PAIR, "text_id": text}).json()
    assert again["rejected"] == "order-closed"
    missing = live.call("DELETE", "/v1/order", "alice", params={"pair": PAIR, "text_id": "never"})
    assert (missing.status_code, missing.json()["code"]) == (400, "bad-order")
    for price in ("10.00", "11.00", "12.00"):
        live.place("alice", "buy", price, "1")
    assert live.call("DELETE", "/v1/orders", "alice", params={"pair": PAIR}).json()["cancelled"] == 3


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"tif": "ioc"}, "cancelled"),
        ({"tif": "fok"}, "cancelled"),
        ({"post_only": True}, "open"),
        ({"post_only": "slide"}, "open"),
        ({"display": "2", "qty": "6"}, "open"),
        ({"min_qty": "2", "qty": "4", "tif": "ioc"}, "cancelled"),
        ({"stop": "400.00", "price": "401.00"}, "waiting"),
        ({"kind": "stop-limit", "stop": "400.00", "price": "401.00"}, "waiting"),
        ({"on_quorum_loss": "expire", "within_ms": 600_000}, "open"),
        ({"self_trade": "allow"}, "open"),
    ],
)
def test_every_kind_of_order(live: Live, terms: dict[str, object], status: str) -> None:
    given = {name: str(value) for name, value in terms.items() if name in ("price", "qty")}
    order = {"price": "100.00", "qty": "3"} | given
    more = {name: value for name, value in terms.items() if name not in order}
    sent = live.place("alice", "buy", order["price"], order["qty"], **more)
    assert (sent["rejected"], sent["order"]["status"]) == ("", status)


def test_gtd_and_market_orders(live: Live) -> None:
    sent = live.place("alice", "buy", "100.00", "3", expires_ms=int(time.time() * 1_000) + 3_600_000)
    assert (sent["order"]["tif"], sent["order"]["status"]) == ("gtd", "open")
    text = fresh("market")
    order = {"pair": PAIR, "side": "sell", "qty": "2", "kind": "market", "text_id": text}
    first = live.call("POST", "/v1/order", "bob", json=order).json()
    assert (first["order"]["filled"], first["fills"][0]["price"]) == ("2", "100.00")
    live.place("alice", "buy", "50.00", "3")
    assert live.call("POST", "/v1/order", "bob", json=order).json()["op_id"] == first["op_id"], (
        "whatever the price is now"
    )
    live.clear()
    order = {"pair": PAIR, "side": "sell", "qty": "2", "kind": "market"}
    refused = lambda: live.call("POST", "/v1/order", "bob", json=order).json().get("code")  # noqa: E731
    until(lambda: refused() == "no-liquidity", "an empty book")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"price": "100.001"}, 400, "bad-number"),
        ({"qty": "0.5"}, 400, "bad-number"),
        ({"price": 100.25}, 422, "invalid"),
        ({"qty": "1e3"}, 422, "invalid"),
        ({"side": "long"}, 422, "invalid"),
        ({"pair": "XX-YY"}, 404, "unknown-pair"),
        ({"text_id": "ü"}, 422, "invalid"),
        ({"text_id": "x" * 37}, 422, "invalid"),
        ({"color": "red"}, 422, "invalid"),
        ({"post_only": True, "tif": "ioc"}, 400, "bad-order"),
        ({"stop": "100.00", "post_only": True}, 400, "bad-order"),
        ({"wait_s": 0}, 422, "invalid"),
    ],
)
def test_what_is_refused_before_it_is_signed(live: Live, change: dict[str, object], status: int, code: str) -> None:
    order = {"pair": PAIR, "side": "buy", "price": "100.25", "qty": "3"} | change
    answer = live.call("POST", "/v1/order", "alice", json=order)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_the_book_refuses_is_certified(live: Live) -> None:
    live.place("alice", "sell", "100.00", "3")
    sent = live.place("bob", "buy", "100.00", "3", post_only=True)
    assert (sent["progress"], sent["rejected"]) == ("certified", "post-only-would-cross")
    assert sent["order"]["status"] == "rejected"


def test_statements_add_up_and_go_back_in_time(live: Live) -> None:
    def position(account: str, **at: str) -> dict[str, str]:
        rows = live.get("/v1/statement", account, **at)["positions"]
        return dict(next(row for row in rows if row["pair"] == PAIR))

    before = position("alice")
    sent = live.place("alice", "buy", "100.00", "3")
    live.place("bob", "sell", "100.00", "3")
    after = position("alice")
    assert Decimal(after["position"]) - Decimal(before["position"]) == 3
    assert Decimal(after["net_received"]) - Decimal(before["net_received"]) == Decimal("-300.00")
    then = position("alice", at=f"h{sent['height']}")
    assert then["position"] == before["position"], "as of the block before the fill"
    fills = live.get("/v1/fills", "alice", pair=PAIR, limit=1)["fills"]
    assert (fills[0]["position"], fills[0]["role"]) == (after["position"], "maker")
    pages = live.get("/v1/fills", "alice", pair=PAIR, after=str(fills[0]["number"] - 1))["fills"]
    assert pages == fills


def test_scopes(live: Live) -> None:
    folder = ["--folder", str(live.folder / "gateway")]

    def key(scope: str) -> dict[str, str]:
        command = [sys.executable, "-m", "gossipbook", "gateway", "account", "key", "bob", "--scope", scope, "--json"]
        done = subprocess.run([*command, *folder], capture_output=True, check=True, timeout=60)
        made = json.loads(done.stdout)
        return {"authorization": f"Bearer {made['id']}.{made['secret']}", "id": made["id"]}

    read, cancel = key("read"), key("cancel")
    order = {"pair": PAIR, "side": "buy", "price": "100.25", "qty": "3"}
    live.place("bob", "buy", "10.00", "1")

    def status(method: str, path: str, key: dict[str, str], **options: object) -> int:
        return live.call(method, path, headers={"authorization": key["authorization"]}, **options).status_code

    until(lambda: status("GET", "/v1/orders", read, params={"pair": PAIR}) == 200, "a key that counts at once")
    for each in (read, cancel):
        assert status("POST", "/v1/order", each, json=order) == 403
        assert status("POST", "/v1/lease", each, json={"pair": PAIR, "for_ms": 1_000}) == 403
    assert status("DELETE", "/v1/orders", read, params={"pair": PAIR}) == 403
    assert status("DELETE", "/v1/orders", cancel, params={"pair": PAIR}) == 200
    revoke = [sys.executable, "-m", "gossipbook", "gateway", "account", "revoke", read["id"], *folder]
    subprocess.run(revoke, capture_output=True, check=True, timeout=60)
    until(lambda: status("GET", "/v1/account", read) == 401, "a revoked key")


def test_an_op_that_was_signed_elsewhere(live: Live) -> None:
    wallet = gossipbook.Wallet(Identity(os.urandom(32)), live.manifest.chain_id)
    place = Place(1, Side.BUY, 1, 1_000, 2, TimeInForce.GTC)
    op = wallet.sign(PAIR, [place])
    answer = live.call("POST", "/v1/op", json={"op": op.encode().hex()})
    assert (answer.status_code, answer.json()["progress"], answer.json()["order"]["status"]) == (
        200,
        "certified",
        "open",
    )
    assert live.call("POST", "/v1/op", json={"op": op.encode().hex()}).json()["op_id"] == op.id.hex(), (
        "again is harmless"
    )
    forged = bytearray(op.encode())
    forged[-1] ^= 1
    assert live.call("POST", "/v1/op", json={"op": forged.hex()}).json()["code"] == "bad-signature"
    other = gossipbook.Wallet(Identity(os.urandom(32)), bytes(32)).sign(PAIR, [place])
    assert live.call("POST", "/v1/op", json={"op": other.encode().hex()}).json()["code"] == "wrong-network"
    assert live.call("POST", "/v1/op", json={"op": "00"}).json()["code"] == "bad-op"
    gone = wallet.sign(PAIR, [CancelAll()])  # No account of the gateway's has this order.
    assert live.call("POST", "/v1/op", json={"op": gone.encode().hex()}).json()["cancelled"] == 1


def test_markets(live: Live) -> None:
    live.place("alice", "sell", "120.00", "5")
    live.place("alice", "sell", "120.00", "7")
    live.place("bob", "buy", "120.00", "2")
    book = until(
        lambda: (
            (found := live.get("/v1/book", pair=PAIR, level=3))["asks"] and found["asks"][0]["qty"] == "10" and found
        ),
        "the book's step",
    )
    assert [each["qty"] for each in book["asks"][0]["queue"]] == ["3", "7"]
    best = {name: value for name, value in book["asks"][0].items() if name != "queue"}
    assert live.get("/v1/book", pair=PAIR, level=1)["asks"] == [best]
    trade = live.get("/v1/trades", pair=PAIR, limit=1)["trades"][0]
    assert (trade["price"], trade["qty"], trade["taker_side"]) == ("120.00", "2", "buy")
    candle = until(
        lambda: next((c for c in live.get("/v1/candles", pair=PAIR, width="1d")["candles"]), None), "today's candle"
    )
    assert Decimal(candle["high"]) >= 120
    ticker = live.get("/v1/ticker", pair=PAIR)
    assert (ticker["last"], ticker["ask"], ticker["ask_qty"]) == ("120.00", "120.00", "10")
    assert [row["pair"] for row in live.get("/v1/pairs")] == live.manifest.symbols()
    status = live.get("/v1/status")
    assert {row["state"] for row in status["pairs"]} == {"certifying"}
    assert {peer["name"] for peer in live.get("/v1/peers")} == set(live.peers)
    assert abs(live.get("/v1/time")["time_ms"] - time.time() * 1_000) < 10_000
    assert live.call("GET", "/v1/candles", params={"pair": PAIR, "width": "7m"}).status_code == 422


def test_lease_and_group(live: Live) -> None:
    done = live.call("POST", "/v1/lease", "alice", json={"pair": PAIR, "for_ms": 86_400_000}).json()
    assert (done["progress"], done["rejected"]) == ("certified", "")
    assert live.call("POST", "/v1/lease", "alice", json={"pair": PAIR, "for_ms": 0}).json()["progress"] == "certified"
    bob = live.get("/v1/account", "bob")["author"]
    joined = live.call("POST", "/v1/group", "alice", json={"pair": PAIR, "action": "join", "author": bob})
    assert joined.json()["progress"] == "certified"
    left = live.call("POST", "/v1/group", "alice", json={"pair": PAIR, "action": "leave"})
    assert left.json()["progress"] == "certified"
    warden = live.call("POST", "/v1/state", "alice", json={"pair": PAIR, "state": "halted"}).json()
    assert warden["rejected"] == "not-a-warden"


def test_the_library_says_the_same(live: Live) -> None:
    """What the gateway tells of an order is what a client of the library is told by a peer."""
    sent = live.place("alice", "buy", "77.00", "4")
    author = bytes.fromhex(live.get("/v1/account", "alice")["author"])
    with gossipbook.sync.open_client(live.ready["peers"][0]["address"], live.manifest.chain_id) as client:
        pair = client.pair(PAIR)
        row = until(lambda: pair.find_id(author, sent["client_id"])["order"], "the archive")
    assert (row["price_ticks"], row["open_lots"], row["number"]) == (7_700, 4, sent["order"]["number"])
