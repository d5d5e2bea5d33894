"""Which request of the dialect is answered by what, who may make it, and what it weighs."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from gossipbook.gateway.binance import account, market, trading, user_keys
from gossipbook.gateway.binance.call import Call


class Entry(NamedTuple):
    """``access``: ``none``, ``key`` (its id alone) or ``signed``."""

    answer: Callable[[Call], Awaitable[Any]]
    access: str = "none"
    weight: int = 1


TABLE: Final[dict[tuple[str, str], Entry]] = {
    ("GET", "/api/v3/ping"): Entry(market.ping),
    ("GET", "/api/v3/time"): Entry(market.server_time),
    ("GET", "/api/v3/exchangeInfo"): Entry(market.exchange_info, weight=20),
    ("GET", "/api/v3/depth"): Entry(market.depth, weight=5),
    ("GET", "/api/v3/trades"): Entry(market.trades, weight=25),
    ("GET", "/api/v3/historicalTrades"): Entry(market.historical_trades, weight=25),
    ("GET", "/api/v3/aggTrades"): Entry(market.agg_trades, weight=4),
    ("GET", "/api/v3/klines"): Entry(market.klines, weight=2),
    ("GET", "/api/v3/uiKlines"): Entry(market.klines, weight=2),
    ("GET", "/api/v3/ticker/24hr"): Entry(market.ticker_24h, weight=2),
    ("GET", "/api/v3/ticker"): Entry(market.ticker_24h, weight=4),
    ("GET", "/api/v3/ticker/price"): Entry(market.ticker_price, weight=2),
    ("GET", "/api/v3/ticker/bookTicker"): Entry(market.ticker_book, weight=2),
    ("GET", "/api/v3/account"): Entry(account.account, "signed", 20),
    ("GET", "/api/v3/account/commission"): Entry(account.commission, "signed", 20),
    ("GET", "/api/v3/rateLimit/order"): Entry(account.order_rates, "signed", 40),
    ("GET", "/api/v3/order"): Entry(account.order, "signed", 4),
    ("GET", "/api/v3/openOrders"): Entry(account.open_orders, "signed", 6),
    ("GET", "/api/v3/allOrders"): Entry(account.all_orders, "signed", 20),
    ("GET", "/api/v3/myTrades"): Entry(account.my_trades, "signed", 20),
    ("POST", "/api/v3/order"): Entry(trading.place, "signed"),
    ("POST", "/api/v3/order/test"): Entry(trading.test_order, "signed"),
    ("DELETE", "/api/v3/order"): Entry(trading.cancel, "signed"),
    ("DELETE", "/api/v3/openOrders"): Entry(trading.cancel_all, "signed"),
    ("POST", "/api/v3/order/cancelReplace"): Entry(trading.cancel_replace, "signed"),
    ("PUT", "/api/v3/order/amend/keepPriority"): Entry(trading.amend_keep_priority, "signed", 4),
    ("POST", "/api/v3/userDataStream"): Entry(user_keys.make, "key", 2),
    ("PUT", "/api/v3/userDataStream"): Entry(user_keys.keep, "key", 2),
    ("DELETE", "/api/v3/userDataStream"): Entry(user_keys.end, "key", 2),
    ("GET", "/sapi/v1/capital/config/getall"): Entry(account.capital, "signed", 10),
    ("GET", "/sapi/v1/asset/tradeFee"): Entry(account.trade_fees, "signed"),
    ("GET", "/sapi/v1/margin/allPairs"): Entry(market.nothing, "key"),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Entry(market.nothing, "key"),
    ("GET", "/sapi/v1/margin/allAssets"): Entry(market.nothing, "key"),
    ("GET", "/fapi/v1/exchangeInfo"): Entry(market.no_contracts),
    ("GET", "/dapi/v1/exchangeInfo"): Entry(market.no_contracts),
    ("GET", "/eapi/v1/exchangeInfo"): Entry(market.no_contracts),
}
"""By method and path."""

METHODS: Final[dict[str, tuple[str, str]]] = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "trades.recent": ("GET", "/api/v3/trades"),
    "trades.historical": ("GET", "/api/v3/historicalTrades"),
    "trades.aggregate": ("GET", "/api/v3/aggTrades"),
    "klines": ("GET", "/api/v3/klines"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "ticker": ("GET", "/api/v3/ticker"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "userDataStream.start": ("POST", "/api/v3/userDataStream"),
    "userDataStream.ping": ("PUT", "/api/v3/userDataStream"),
    "userDataStream.stop": ("DELETE", "/api/v3/userDataStream"),
}
"""What the socket's methods are over HTTP."""
