"""The price of an auction against its definition, word for word, over every price there is."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.audit.oracle import OracleBook
from gossipbook.audit.oracle_auction import auction_price
from gossipbook.audit.oracle_order import OracleOrder

MAX_PRICE = 14
BUY, SELL = 1, 2
WARDEN = b"W"

Offer = tuple[int, int, int]  # side, price, lots
offers = st.lists(st.tuples(st.integers(BUY, SELL), st.integers(1, MAX_PRICE), st.integers(1, 6)), max_size=9)
last_trades = st.integers(0, MAX_PRICE)


def by_the_book(book: list[Offer], last_trade: int) -> tuple[int, int]:
    """From 1 to max: of the greatest volume; then of the smallest surplus; then by who has more, or by nearness."""

    def demand(price: int) -> int:
        return sum(lots for side, limit, lots in book if side == BUY and limit >= price)

    def supply(price: int) -> int:
        return sum(lots for side, limit, lots in book if side == SELL and limit <= price)

    everything = list(range(1, MAX_PRICE + 1))
    volume = max(min(demand(p), supply(p)) for p in everything)
    fullest = [p for p in everything if min(demand(p), supply(p)) == volume]
    surplus = min(abs(demand(p) - supply(p)) for p in fullest)
    evenest = [p for p in fullest if abs(demand(p) - supply(p)) == surplus]
    assert evenest == list(range(evenest[0], evenest[-1] + 1)), "no gaps, so the nearest of them is one"
    if all(demand(p) > supply(p) for p in evenest):
        return evenest[-1], volume
    if all(demand(p) < supply(p) for p in evenest):
        return evenest[0], volume
    if last_trade:
        return min(evenest, key=lambda p: abs(p - last_trade)), volume
    return (evenest[0] + evenest[-1]) // 2, volume


def is_crossed(book: list[Offer]) -> bool:
    return any(a[0] == BUY and b[0] == SELL and a[1] >= b[1] for a in book for b in book)


@settings(max_examples=1_000, deadline=None)
@given(offers.filter(is_crossed), last_trades)
def test_the_price_is_the_defined_one(book: list[Offer], last_trade: int) -> None:
    orders = [OracleOrder(b"A", (i, side, 1, price, lots, 1, 0, 1, 0)) for i, (side, price, lots) in enumerate(book)]
    for entered, order in enumerate(orders):
        order.entered = entered
    buys, sells = (sorted((o for o in orders if o.side == side), key=OracleOrder.rank) for side in (BUY, SELL))
    assert auction_price(buys, sells, last_trade) == by_the_book(book, last_trade)


@settings(max_examples=300, deadline=None)
@given(offers, st.integers(0, 3))
def test_an_auction_trades_the_volume_at_the_price(book: list[Offer], display: int) -> None:
    """A whole auction, every order an author's own: what fills is the volume, at the price, and nothing is left."""
    oracle = OracleBook(1, 100, MAX_PRICE, 0, 100, 100, wardens=(WARDEN,))
    oracle.begin_block(1)
    oracle.run(WARDEN, [(7, 5)])
    for number, (side, price, lots) in enumerate(book):
        shown = display if lots > display else 0
        oracle.run(bytes([number]), [(5, 1, side, 1, price, lots, 1, 0, 1, 0, shown, 0, 0)])
    oracle.run(WARDEN, [(7, 1)])
    events = oracle.end_block()
    trades = [(event[2], event[3]) for event in events if event[0] == 3]
    if not is_crossed(book):
        assert not trades
        return
    price, volume = by_the_book(book, 0)
    assert [event[2:] for event in events if event[0] == 11] == [(price, volume)]
    assert {at for at, _ in trades} == {price}
    assert sum(lots for _, lots in trades) == volume
    bids, asks = oracle.resting(BUY), oracle.resting(SELL)
    assert not bids or not asks or bids[0][2] < asks[0][2]
