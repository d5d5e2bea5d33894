"""What nautilus_trader's Binance adapter, unmodified, does here: execution tests by group, and what came of each.

    pip install nautilus_trader            (1.221, into an environment of its own: it pins what it needs)
    gossipbook demo --stay --ops-per-s 0   (in another terminal)
    python benchmarks/nautilus.py http://127.0.0.1:7480 ALICE_TOKEN BOB_TOKEN

Alice trades through the adapter; bob rests the other side by the native API. A case is good if the last event of its
order is the one that the adapter's users expect.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.core.datetime import unix_nanos_to_dt
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import OrderBookDeltas, QuoteTick, TradeTick
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

INSTRUMENT = InstrumentId.from_str("BTCUSD.BINANCE")
PAIR = "BTC-USD"
STEP_S = 1.0
CASE_S = 2.0
BUY, SELL = OrderSide.BUY, OrderSide.SELL


class Native:
    """Calls of the native API."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("authorization", f"Bearer {self.token}")
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return dict(json.loads(answer.read()))

    def rest(self, side: str, price: str, qty: str) -> None:
        self.call("POST", "/v1/order", {"pair": PAIR, "side": side, "price": price, "qty": qty})

    def clear(self) -> None:
        self.call("DELETE", f"/v1/orders?pair={PAIR}")


class Matrix(Strategy):
    """One case after another, each with orders and what their last events are to be."""

    def __init__(self, bob: Native) -> None:
        super().__init__()
        self.bob = bob
        self.seen: dict[str, list[str]] = {}
        self.data: dict[str, int] = {}
        self.results: list[tuple[str, str, bool, str]] = []
        self.cases = [*self.make_cases()]

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(INSTRUMENT)
        if self.instrument is None:
            print("no instrument")
            self.finish()
            return
        self.subscribe_order_book_deltas(INSTRUMENT)
        self.subscribe_quote_ticks(INSTRUMENT)
        self.subscribe_trade_ticks(INSTRUMENT)
        self.next_at(2 * CASE_S, self.begin)

    def next_at(self, after_s: float, do: Callable[[], None]) -> None:
        at = unix_nanos_to_dt(self.clock.timestamp_ns() + int(after_s * 1e9))
        self.clock.set_time_alert(f"step {self.clock.timestamp_ns()}", at, lambda _: do())

    def on_event(self, event: Any) -> None:
        if hasattr(event, "client_order_id"):
            name = type(event).__name__.removeprefix("Order")
            self.seen.setdefault(event.client_order_id.value, []).append(name)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        self.data["deltas"] = self.data.get("deltas", 0) + 1

    def on_quote_tick(self, tick: QuoteTick) -> None:
        self.data["quotes"] = self.data.get("quotes", 0) + 1

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.data["trades"] = self.data.get("trades", 0) + 1

    # -- cases --------------------------------------------------------------------------------------

    def qty(self, qty: int) -> Any:
        return self.instrument.make_qty(qty)

    def price(self, price: float) -> Any:
        return self.instrument.make_price(price)

    def market(self, side: OrderSide, qty: int = 1, **terms: Any) -> Any:
        return self.order_factory.market(INSTRUMENT, side, self.qty(qty), **terms)

    def limit(self, side: OrderSide, price: float, qty: int = 1, **terms: Any) -> Any:
        return self.order_factory.limit(INSTRUMENT, side, self.qty(qty), self.price(price), **terms)

    def make_cases(self) -> Any:
        """Group, name, what bob rests, the order, what is done to it after a while, the events expected last."""
        ioc, fok = TimeInForce.IOC, TimeInForce.FOK
        ask, bid = ("sell", "100.00", "5"), ("buy", "99.00", "5")
        later: Callable[[Any], None] | None = None
        yield 1, "market buy", ask, lambda: self.market(BUY), later, "Filled"
        yield 1, "market sell", bid, lambda: self.market(SELL), later, "Filled"
        yield 2, "limit that trades", ask, lambda: self.limit(BUY, 100), later, "Filled"
        yield 2, "limit that rests", None, lambda: self.limit(BUY, 90), later, "Accepted"
        yield (
            2,
            "limit IOC, nobody there",
            None,
            lambda: self.limit(BUY, 90, time_in_force=ioc),
            later,
            "Expired|Canceled",
        )
        yield 2, "limit IOC, partly", ask, lambda: self.limit(BUY, 100, 8, time_in_force=ioc), later, "Expired|Canceled"
        yield (
            2,
            "limit FOK, too much",
            ask,
            lambda: self.limit(BUY, 100, 8, time_in_force=fok),
            later,
            "Expired|Canceled",
        )
        yield 2, "limit FOK", ask, lambda: self.limit(BUY, 100, 3, time_in_force=fok), later, "Filled"
        yield 2, "post-only that rests", ask, lambda: self.limit(BUY, 90, post_only=True), later, "Accepted"
        yield 2, "post-only that would trade", ask, lambda: self.limit(BUY, 100, post_only=True), later, "Rejected"
        yield 2, "iceberg", None, lambda: self.limit(BUY, 90, 10, display_qty=self.qty(2)), later, "Accepted"
        stop = self.order_stop
        yield 3, "stop-limit that waits", ask, lambda: stop(BUY, 120, 121), later, "Accepted"
        yield 3, "stop-limit, cancelled", ask, lambda: stop(BUY, 120, 121), self.cancel_order, "Canceled"
        yield 3, "stop-market, which the adapter has not for spot", ask, lambda: stop(BUY, 120), later, "Denied"
        changed = "PendingUpdate"  # and the adapter says that it changes orders of futures alone
        yield 4, "change of the quantity", None, lambda: self.limit(BUY, 90, 5), self.less, changed
        yield 4, "change of the price", None, lambda: self.limit(BUY, 90, 5), self.dearer, changed
        yield 5, "cancel", None, lambda: self.limit(BUY, 90), self.cancel_order, "Canceled"
        yield 5, "cancel all", None, lambda: self.limit(BUY, 91), self.cancel_each, "Canceled"
        yield 5, "cancel twice", None, lambda: self.limit(BUY, 92), self.twice, "Canceled"

    def order_stop(self, side: OrderSide, trigger: float, price: float | None = None) -> Any:
        if price is None:
            return self.order_factory.stop_market(INSTRUMENT, side, self.qty(1), self.price(trigger))
        return self.order_factory.stop_limit(INSTRUMENT, side, self.qty(1), self.price(price), self.price(trigger))

    def less(self, order: Any) -> None:
        self.modify_order(order, quantity=self.qty(3))

    def dearer(self, order: Any) -> None:
        self.modify_order(order, price=self.price(91))

    def cancel_each(self, _: Any) -> None:
        self.cancel_all_orders(INSTRUMENT)

    def twice(self, order: Any) -> None:
        self.cancel_order(order)
        self.cancel_order(order)

    # -- running ------------------------------------------------------------------------------------

    def begin(self) -> None:
        if not self.cases:
            self.finish()
            return
        self.bob.clear()
        group, name, rests, make, then, expected = self.cases.pop(0)
        if rests is not None:
            self.bob.rest(*rests)
        order = make()
        self.next_at(STEP_S / 2, lambda: self.submit_order(order))

        def judge() -> None:
            events = self.seen.get(order.client_order_id.value, [])
            last = events[-1] if events else "nothing"
            self.results.append((f"{group}", name, last in expected.split("|"), " ".join(events)))
            print(
                f"group {group}: {name}: {'good' if last in expected.split('|') else 'BAD'}: {' '.join(events)}",
                flush=True,
            )
            self.cancel_all_orders(INSTRUMENT)
            self.next_at(STEP_S, self.begin)

        if then is None:
            self.next_at(CASE_S, judge)
        else:
            self.next_at(CASE_S, lambda: then(order))
            self.next_at(2 * CASE_S, judge)

    def finish(self) -> None:
        good = sum(row[2] for row in self.results)
        print(f"{good} of {len(self.results)} good; market data: {self.data}", flush=True)
        self.clock.set_time_alert("end", unix_nanos_to_dt(self.clock.timestamp_ns() + 10**8), lambda _: NODE.stop())


def node(url: str, token: str) -> TradingNode:
    """The adapter with the URLs changed and nothing else."""
    key, secret = token.split(".")
    sockets = url.replace("http", "ws", 1)
    common = {"api_key": key, "api_secret": secret, "base_url_http": url, "base_url_ws": sockets}
    common["instrument_provider"] = InstrumentProviderConfig(load_ids=frozenset({INSTRUMENT}))  # type: ignore[assignment]
    config = TradingNodeConfig(
        trader_id=TraderId("GOSSIP-001"),
        logging=LoggingConfig(log_level="WARNING"),
        risk_engine=LiveRiskEngineConfig(bypass=True),  # It would want a balance: nothing is held in custody here.
        exec_engine=LiveExecEngineConfig(reconciliation=True),
        data_clients={BINANCE: BinanceDataClientConfig(**common)},  # type: ignore[arg-type]
        exec_clients={BINANCE: BinanceExecClientConfig(**common)},  # type: ignore[arg-type]
        timeout_connection=20,
        timeout_reconciliation=20,
    )
    made = TradingNode(config)
    made.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    made.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    return made


if __name__ == "__main__":
    NODE = node(sys.argv[1], sys.argv[2])
    matrix = Matrix(Native(sys.argv[1], sys.argv[3]))
    NODE.trader.add_strategy(matrix)
    NODE.build()
    NODE.run()
    NODE.dispose()
    sys.exit(not all(row[2] for row in matrix.results) or not matrix.results)
