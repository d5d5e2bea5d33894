"""Parts of the gateway by themselves, and what happens to them when a rule of theirs is broken."""

import asyncio
from decimal import Decimal

import pytest

from gossipbook.accounts.asking import order_row
from gossipbook.accounts.rows import DAY_MS, OrderRow, Sums
from gossipbook.errors import ConfigError, NoAnswer
from gossipbook.gateway import serve
from gossipbook.gateway.access import Denied
from gossipbook.gateway.amounts import assets, average_text, price_text, qty_text, quote_text
from gossipbook.gateway.binance.call import Symbols
from gossipbook.gateway.binance.errors import refused_by, rejected_by_book
from gossipbook.gateway.binance.shapes import order_json, status_of
from gossipbook.gateway.binance.topics import Topic, read_topic
from gossipbook.gateway.day import STEP_MS, Day
from gossipbook.gateway.door import Rates
from gossipbook.gateway.market_price import beyond
from gossipbook.gateway.outbox import Lag, Outbox
from gossipbook.gateway.own_orders import OwnOrders, read_order
from gossipbook.gateway.problems import Problem, problem_of
from gossipbook.gateway.rows import order_json as native_order_json
from gossipbook.gateway.settings import GatewaySettings
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import Side
from gossipbook.matching.events import Accepted, Amended, CancelCause, Cancelled, Event, Expired, Fill, Rejected
from gossipbook.trade.outcome import NotSigned

SPEC = Pair("BTC-USD", tick_size="0.25", lot_size="0.001")
ME, OTHER = bytes(32), bytes([1]) * 32


def network(*symbols: str) -> Manifest:
    matchers = tuple(Matcher(f"m{n}", bytes([n]) * 32, f"m{n}") for n in range(4))
    return Manifest(name="n", pairs=tuple(Pair(each) for each in symbols), matchers=matchers, committee_size=4)


def test_amounts_are_exact() -> None:
    assert (price_text(SPEC, 401), qty_text(SPEC, -2_500), qty_text(SPEC, 0)) == ("100.25", "-2.500", "0.000")
    assert Decimal(quote_text(SPEC, 401 * 2_500)) == Decimal("100.25") * Decimal("2.5")
    assert (average_text(SPEC, 401 * 3 + 402, 4), average_text(SPEC, 0, 0)) == ("100.31250000", "")
    big = 10**15
    assert Decimal(quote_text(SPEC, big * big)) == Decimal(big) * Decimal(big) * Decimal("0.00025")


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("BTC-USD", ("BTC", "USD")),
        ("A/B", ("A", "B")),
        ("X-Y-Z", ("X-Y", "Z")),
        ("GOLD", ("GOLD", "UNIT")),
        ("-A", ("-A", "UNIT")),
    ],
)
def test_what_a_pairs_name_says(symbol: str, parts: tuple[str, str]) -> None:
    assert assets(symbol) == parts


def test_names_of_the_dialect_are_told_apart() -> None:
    symbols = Symbols(network("BTC-USD", "A-BC", "AB-C", "GOLD"))
    assert symbols.of_pair == {"BTC-USD": "BTCUSD", "A-BC": "A-BC", "AB-C": "AB-C", "GOLD": "GOLD"}
    assert len(symbols.pairs) == 4


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("btcusd@depth", Topic("BTC-USD", "depth", 0, 1_000)),
        ("btcusd@depth@100ms", Topic("BTC-USD", "depth", 0, 100)),
        ("btcusd@depth5@100ms", Topic("BTC-USD", "depth", 5, 100)),
        ("btcusd@trade", Topic("BTC-USD", "trade", 0, 0)),
        ("btcusd@kline_1m", Topic("BTC-USD", "kline_1m", 0, 1_000)),
        ("btcusd@kline_7m", None),
        ("btcusd@trade5", None),
        ("ethusd@trade", None),
        ("btcusd", None),
        ("btcusd@depth@50ms", None),
    ],
)
def test_names_of_streams(name: str, topic: Topic | None) -> None:
    assert read_topic(name, {"btcusd": "BTC-USD"}) == topic


# -- what waits for a subscriber ----------------------------------------------------------------------


def drained(outbox: Outbox) -> list[str | Lag]:
    found: list[str | Lag] = []
    while (item := outbox.take()) is not None:
        found.append(item)
    return found


def test_a_full_outbox_tells_how_much_it_left_out() -> None:
    outbox = Outbox(messages_cap=3, bytes_cap=100)
    for number in range(5):
        outbox.put(str(number))
    outbox.answer("answer")
    assert drained(outbox) == ["answer", Lag(5)]
    outbox.put("after")
    assert drained(outbox) == ["after"]


def test_bytes_count_and_one_long_message_fits() -> None:
    outbox = Outbox(messages_cap=100, bytes_cap=10)
    outbox.put("x" * 50)
    assert drained(outbox) == ["x" * 50]
    outbox.put("x" * 6)
    outbox.put("y" * 6)
    assert drained(outbox) == [Lag(2)]


def test_an_outbox_never_holds_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def worst(outbox: Outbox) -> int:
        sizes = []
        for number in range(1_000):
            outbox.put("x" * (number % 7))
            sizes.append(len(outbox))
        return max(sizes)

    assert worst(Outbox(messages_cap=8, bytes_cap=1_000)) <= 8
    monkeypatch.setattr(Outbox, "put", lambda self, text: self._waiting.append(text))
    assert worst(Outbox(messages_cap=8, bytes_cap=1_000)) > 8, "what this test is there to see"


# -- the last day -------------------------------------------------------------------------------------


def test_a_day_forgets_what_is_older() -> None:
    day = Day("BTC-USD")
    assert day.summary(0) is None
    day.load([[0, 10, 12, 9, 11, 5, 55, 2]])
    day.add(STEP_MS + 1, 20, 3)
    day.add(STEP_MS + 2, 8, 1)
    whole = day.summary(2 * STEP_MS)
    assert whole is not None
    assert (whole.open_ticks, whole.high_ticks, whole.low_ticks, whole.close_ticks) == (10, 20, 8, 8)
    assert (whole.lots, whole.quote, whole.trades) == (9, 55 + 60 + 8, 4)
    later = day.summary(DAY_MS + STEP_MS)
    assert later is not None
    assert (later.open_ticks, later.trades) == (20, 2)
    assert day.summary(3 * DAY_MS) is None


# -- own orders ---------------------------------------------------------------------------------------


def fill(number: int, lots: int, *, maker: bytes, taker: bytes, maker_id: int = 1, taker_id: int = 1) -> Fill:
    return Fill(number, 100, lots, maker, maker_id, taker, taker_id, Side.SELL)


def test_reports_tell_each_event_with_the_order_after_it() -> None:
    own = OwnOrders("BTC-USD", ME)
    events: list[Event] = [
        Accepted(1, ME, 1, Side.BUY, 100, 10),
        fill(2, 3, maker=ME, taker=OTHER),
        fill(3, 2, maker=ME, taker=OTHER, taker_id=2),
        Amended(4, ME, 1, 100, 8, 3),
        Cancelled(5, ME, 1, 3, 0, CancelCause.REQUESTED),
        Accepted(6, OTHER, 9, Side.BUY, 100, 10),
        Rejected(7, ME, 2, 1, 10),
    ]
    reports = own.report(4, 1_000, events)
    assert [(each.event, each.number, each.order.open_lots, each.order.filled_lots) for each in reports] == [
        ("Accepted", 1, 10, 0),
        ("Fill", 2, 7, 3),
        ("Fill", 3, 5, 5),
        ("Amended", 4, 3, 5),
        ("Cancelled", 5, 0, 5),
        ("Rejected", 7, 0, 0),
    ]
    assert [each.fill.sums.position_lots for each in reports if each.fill is not None] == [3, 5]
    assert own.open == []
    assert own.sums.position_lots == 5
    assert own.report(5, 1_001, [Accepted(8, OTHER, 10, Side.BUY, 100, 10)]) == []


def test_a_trade_with_oneself_is_two_fills() -> None:
    own = OwnOrders("BTC-USD", ME)
    entered: list[Event] = [Accepted(1, ME, 1, Side.BUY, 100, 10), Accepted(2, ME, 2, Side.SELL, 100, 4)]
    reports = own.report(1, 1_000, [*entered, fill(3, 4, maker=ME, taker=ME, taker_id=2)])
    fills = [each.fill for each in reports if each.fill is not None]
    assert [(each.is_maker, each.client_id, each.sums.position_lots) for each in fills] == [(True, 1, 4), (False, 2, 0)]
    assert own.sums == Sums(4, 4, 400, 400)


def test_it_goes_on_from_what_an_archive_says() -> None:
    first = OwnOrders("BTC-USD", ME)
    first.report(1, 1_000, [Accepted(1, ME, 1, Side.BUY, 100, 10)])
    rows = [read_order("BTC-USD", ME, order_row(row)) for row in first.open]
    second = OwnOrders("BTC-USD", ME, Sums(bought_lots=7), rows)
    (report,) = second.report(2, 1_001, [fill(5, 10, maker=ME, taker=OTHER)])
    assert (report.order.status, second.sums.position_lots, second.open) == ("filled", 17, [])
    assert second.report(3, 1_002, [Expired(6, ME, 1, 3)]) == [], "it is closed: the event is another life's"


def test_a_row_survives_its_telling() -> None:
    row = OrderRow(Side.SELL, 401, 10, 4, 6, status="open", text_id="a b", pair="BTC-USD", author=ME, client_id=7)
    row.number, row.type, row.tif, row.self_trade, row.flags = 3, 1, 1, 1, 3
    assert read_order("BTC-USD", ME, order_row(row)) == row
    told = native_order_json(SPEC, row)
    assert (told["price"], told["open"], told["post_only"], told["is_open"]) == ("100.25", "0.004", "slide", True)


# -- words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "filled", "word"),
    [
        ("pending", "", 0, "NEW"),
        ("waiting", "", 0, "NEW"),
        ("open", "", 0, "NEW"),
        ("open", "", 3, "PARTIALLY_FILLED"),
        ("filled", "", 9, "FILLED"),
        ("cancelled", "requested", 0, "CANCELED"),
        ("cancelled", "unfilled", 0, "EXPIRED"),
        ("cancelled", "self-trade", 0, "EXPIRED_IN_MATCH"),
        ("expired", "gtd", 0, "EXPIRED"),
        ("rejected", "price-band", 0, "REJECTED"),
    ],
)
def test_words_of_the_dialect(status: str, reason: str, filled: int, word: str) -> None:
    row = OrderRow(Side.BUY, 401, 9, 9 - filled, filled, status=status, reason=reason, client_id=1)
    assert status_of(row) == word
    assert order_json("BTCUSD", SPEC, row)["status"] == word


def test_what_errors_mean() -> None:
    assert problem_of(NoAnswer("nobody")).status == 503
    assert problem_of(NotSigned("key-frozen", "…")).status == 403
    assert problem_of(NotSigned("in-flight-full", "…")).status == 503
    assert problem_of(Denied("needs-trade")).status == 403
    assert problem_of(Denied("too-many-guesses")).again_s > 0
    with pytest.raises(ZeroDivisionError):
        problem_of(ZeroDivisionError())
    assert refused_by(Problem(400, "bad-number", "price: …", parameter="price")).text == "Filter failure: PRICE_FILTER"
    assert refused_by(Problem(503, "no-answer", "…")).code == -1001
    assert rejected_by_book("post-only-would-cross").code == -2010
    assert "pair-in-auction" in rejected_by_book("pair-in-auction").text


def test_a_protection_price_stays_in_bounds() -> None:
    assert (beyond(SPEC, "buy", 1_000), beyond(SPEC, "sell", 1_000)) == (1_050, 950)
    assert (beyond(SPEC, "buy", SPEC.max_price_ticks), beyond(SPEC, "sell", 1)) == (SPEC.max_price_ticks, 1)


def test_rates() -> None:
    rates = Rates(0.001, 3)
    for _ in range(3):
        rates.spend("a")
    with pytest.raises(Denied, match="too-many-requests"):
        rates.spend("a")
    rates.spend("b")


def test_it_does_not_listen_to_the_world_in_the_clear(tmp_path: object) -> None:
    manifest = network("BTC-USD")
    plain = GatewaySettings(manifest, tmp_path, listen="0.0.0.0:7480")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="in the clear"):
        _ = plain.address
    half = GatewaySettings(manifest, tmp_path, certificate=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="go together"):
        _ = half.address


def test_a_connection_that_is_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "STALLED_S", 0.01)

    async def scenario() -> None:
        connection, cut = serve.SocketConnection.__new__(serve.SocketConnection), asyncio.Event()
        connection.transport, connection.writable = Transport(cut), asyncio.Event()
        connection.pause_writing()
        connection.resume_writing()
        assert connection.stalled is None, "it was read after all"
        connection.pause_writing()
        await asyncio.wait_for(cut.wait(), 10)

    class Transport(asyncio.Transport):
        def __init__(self, cut: asyncio.Event) -> None:
            super().__init__()
            self.abort = cut.set  # type: ignore[method-assign]

    asyncio.run(scenario())
