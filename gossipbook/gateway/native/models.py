"""What the native API takes and gives, as OpenAPI tells it."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model

from gossipbook.accounts.asking import PAGE_CAP, WIDTHS_MS
from gossipbook.gateway.desk import WITHIN_S_CAP
from gossipbook.matching.commands import LEASE_CAP_MS, TEXT_ID_CAP

ID_CAP = 2**53 - 1
"""The largest whole number that all programs read from JSON as it is."""

Amount = Annotated[
    str,
    Field(pattern=r"^([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})$", max_length=64, examples=["100.25"]),
]
"""A price or a quantity as plain decimal text."""
Signed = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Symbol = Annotated[str, Field(min_length=1, max_length=32, examples=["BTC-USD"])]
TextId = Annotated[str, Field(max_length=TEXT_ID_CAP, pattern=r"^[ -~]*$")]
ClientId = Annotated[int, Field(ge=0, le=ID_CAP)]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TimeMs = Annotated[int, Field(ge=0, le=ID_CAP)]
Side = Literal["buy", "sell"]
Width = Literal["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
assert get_args(Width) == tuple(WIDTHS_MS)
Wait = Literal["pending", "relayed", "certified"]
Bound = Annotated[str, Field(pattern=r"^([nht]?[0-9]{1,18})?$")]
"""The number of an event (``17``), a height (``h17``) or a time in ms (``t1700000000000``)."""
Limit = Annotated[int, Field(ge=1, le=PAGE_CAP)]


class Strict(BaseModel):
    """What is sent has no fields that are not known."""

    model_config = ConfigDict(extra="forbid", strict=True)


def in_query(model: type[BaseModel]) -> type[BaseModel]:
    """The same, of a query, where everything is text."""
    made = create_model(f"{model.__name__}Query", __base__=model, __doc__=model.__doc__)
    made.model_config = ConfigDict(extra="forbid", strict=False)
    made.model_rebuild(force=True)
    return made


class Waiting(Strict):
    """How far to follow what is signed, and for how long."""

    wait: Wait = "certified"
    wait_s: Annotated[float, Field(gt=0, le=WITHIN_S_CAP)] = 10.0


class Place(Waiting):
    """An order. A market order without a price may trade up to 5 % beyond the best opposite price."""

    pair: Symbol
    side: Side
    qty: Amount
    price: Amount | None = None
    kind: Literal["limit", "market", "stop", "stop-limit"] | None = None
    tif: Literal["gtc", "gtd", "ioc", "fok"] | None = None
    post_only: bool | Literal["slide"] = False
    self_trade: Literal["cancel-taker", "cancel-maker", "cancel-both", "decrement", "allow"] = "cancel-taker"
    expires_ms: TimeMs = 0
    display: Amount | None = None
    min_qty: Amount | None = None
    stop: Amount | None = None
    text_id: TextId = ""
    on_quorum_loss: Literal["rest", "expire"] | None = None
    within_ms: TimeMs = 0


class Named(Waiting):
    """An order, by its ``client_id`` or its ``text_id``."""

    pair: Symbol
    client_id: ClientId = 0
    text_id: TextId = ""


class Amend(Named):
    """A change of an order; ``qty`` is its new total, and what is not given stays."""

    price: Amount | None = None
    qty: Amount | None = None
    reduce_only: bool = False


class Lease(Waiting):
    """Unless renewed within ``for_ms`` of block time, all the account's orders in the pair go; 0 ends it."""

    pair: Symbol
    for_ms: Annotated[int, Field(ge=0, le=LEASE_CAP_MS)]


class Group(Waiting):
    """Orders of one group do not trade with each other; it takes a ``join`` and the owner's ``admit``."""

    pair: Symbol
    action: Literal["join", "leave", "admit", "expel"]
    author: Key | None = None


class State(Waiting):
    """A warden's word for what a pair takes."""

    pair: Symbol
    state: Literal["open", "post-only", "cancel-only", "halted", "auction"]


class SignedOp(Waiting):
    """An op that was signed elsewhere, in hex digits, as it travels."""

    op: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$", max_length=131_072)]


# -- answers ------------------------------------------------------------------------------------------


class Problem(BaseModel):
    """What went wrong, by RFC 9457; ``code`` is a fixed word."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    parameter: str | None = None


class Time(BaseModel):
    time_ms: int


class Pair(BaseModel):
    """A tick and a lot are the least steps of price and quantity; bounds of orders are in them."""

    pair: str
    base: str
    quote: str
    tick_size: str
    lot_size: str
    min_qty_lots: int
    max_qty_lots: int
    max_price_ticks: int
    price_band_bps: int


class PairStatus(BaseModel):
    """``state``: whether it certifies, in the word of the peer that is furthest; ``agree``: all peers' digests do."""

    pair: str
    state: str
    trading: str
    height: int
    time_ms: int
    term: int
    leader: str
    committee: list[str]
    absent: list[str]
    agree: bool
    stale: bool


class Status(BaseModel):
    network: str
    chain_id: str
    time_ms: int
    started_ms: int
    linked: bool
    trouble: str
    pairs: list[PairStatus]


class PeerPair(BaseModel):
    pair: str
    state: str
    height: int
    term: int
    seat: int | None
    voting: bool
    takeovers: int
    pending_ops: int
    events_digest: str


class Peer(BaseModel):
    """A peer that the gateway is linked to, as it tells of itself."""

    name: str
    public_key: str
    addresses: list[str]
    links: int
    started_ms: int
    pairs: list[PeerPair]
    refused: dict[str, int]


class BookOrder(BaseModel):
    author: str
    client_id: int
    qty: str


class Level(BaseModel):
    price: str
    qty: str
    orders: int
    queue: list[BookOrder] | None = None


class Last(BaseModel):
    price: str
    qty: str | None
    side: str | None


class Book(BaseModel):
    """``sequence``: of the last event in it; ``checksum``: of its ten best levels; ``stale``: it may be of the past."""

    pair: str
    height: int
    time_ms: int
    sequence: int
    checksum: int
    state: str
    stale: bool
    bids: list[Level]
    asks: list[Level]
    last: Last | None


class Trade(BaseModel):
    number: int
    price: str
    qty: str
    taker_side: Side
    height: int
    time_ms: int


class Trades(BaseModel):
    pair: str
    height: int
    trades: list[Trade]


class Candle(BaseModel):
    start_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote: str
    trades: int


class Candles(BaseModel):
    pair: str
    width: Width
    height: int
    candles: list[Candle]


class Ticker(BaseModel):
    """The last 24 hours, to five minutes."""

    pair: str
    time_ms: int
    last: str | None
    bid: str | None
    bid_qty: str | None
    ask: str | None
    ask_qty: str | None
    open: str | None
    high: str | None
    low: str | None
    volume: str
    quote: str
    trades: int


class Order(BaseModel):
    """``number``: the event that entered it, 0 while it is pending. Times are of blocks."""

    pair: str
    number: int
    client_id: int
    text_id: str
    side: str
    kind: str
    tif: str
    post_only: bool | str
    self_trade: str
    price: str
    stop: str | None
    triggered: bool
    qty: str
    display: str | None
    open: str
    filled: str
    cancelled: str
    quote: str
    average_price: str | None
    status: str
    reason: str
    is_open: bool
    expires_ms: int
    height: int
    time_ms: int
    changed_number: int
    changed_height: int
    changed_ms: int


class Orders(BaseModel):
    pair: str
    height: int
    orders: list[Order]


class OrderFill(BaseModel):
    """A fill that an order had at once."""

    pair: str
    number: int
    role: Literal["maker", "taker"]
    client_id: int
    text_id: str
    side: str
    price: str
    qty: str
    quote: str
    height: int
    time_ms: int


class Fill(OrderFill):
    """A fill of the account, with its position after it."""

    position: str


class Fills(BaseModel):
    pair: str
    height: int
    fills: list[Fill]


class Sent(BaseModel):
    """What was signed, and how far it is: ``pending``, ``relayed``, ``certified``, or ``unknown`` when it is.

    ``rejected``: why the book refused it. ``order``: the order as the block with it left it.
    """

    pair: str
    op_id: str
    client_id: int
    text_id: str
    progress: Literal["pending", "relayed", "certified", "unknown"]
    trouble: str
    height: int
    time_ms: int
    rejected: str
    order: Order | None
    fills: list[OrderFill]
    cancelled: int


class Position(BaseModel):
    """Bought less sold, of certified fills; nothing is held in custody. ``net_received`` is of the quote asset."""

    pair: str
    position: str
    bought: str
    sold: str
    paid: str
    received: str
    net_received: str
    open_orders: int
    height: int
    at_number: int | None


class Account(BaseModel):
    account: str
    author: str
    scopes: list[str]
    label: str


class Statement(BaseModel):
    author: str
    positions: list[Position]
