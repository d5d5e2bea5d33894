"""What a pair takes now, and what an author has at stake there, as of the last finalized block.

Read from the engine when somebody asks; nothing is told here that is not certified.
"""

from dataclasses import dataclass, replace

from gossipbook.accounts.order_state import OrderState
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import AnyPlace, PairState, PlaceNamed, SpecialPlace
from gossipbook.matching.engine import Engine
from gossipbook.matching.ladder import IN_LINE
from gossipbook.peer.explaining import pending_op
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.receipt.order import entering


@dataclass(frozen=True, slots=True)
class AuthorStanding:
    """``lease_until_ms``: block time after which all orders are cancelled; 0 for no lease.

    ``owner``: whose group the author is in, the own key if nobody else's; ``wants``: whose they asked to be in, empty
    for none; ``admitted``: whom they want in their own group, and ``members`` who of these is in it.
    """

    open_orders: int
    lease_until_ms: int
    owner: PublicKey
    wants: PublicKey
    members: tuple[PublicKey, ...]
    admitted: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class PairStanding:
    """``trading``: a pair state's word. ``reference_ticks``: what the price band is measured from; 0 for no trade yet.

    ``waiting``: stop orders outside the book, ``triggered`` ones in line to enter it. ``own``: the author's, if one was
    named.
    """

    height: int
    time_ms: int
    trading: str
    reference_ticks: int
    last_trade_ticks: int
    open_orders: int
    waiting: int
    triggered: int
    own: AuthorStanding | None


def read_standing(pair: PairReplica, author: PublicKey | None = None) -> PairStanding:
    """A pair's standing, and an author's in it."""
    with pair.replica.certified_view() as certified:
        engine = certified.engine
        return PairStanding(
            height=pair.replica.fin,
            time_ms=certified.time_ms,
            trading=PairState(engine.pair_state).word,
            reference_ticks=engine.reference_ticks,
            last_trade_ticks=engine.last_trade_ticks,
            open_orders=engine.book.open_count,
            waiting=engine.book.waiting,
            triggered=len(engine.book.lined_up()),
            own=None if author is None else _read_author(engine, author),
        )


def is_in_line(pair: PairReplica, author: PublicKey, client_id: int) -> bool:
    """Whether a stop order has been triggered, and has not entered the book yet."""
    with pair.replica.certified_view() as certified:
        order = certified.engine.book.find(author, client_id)
        return order is not None and order.place == IN_LINE


def _read_author(engine: Engine, author: PublicKey) -> AuthorStanding:
    book, groups = engine.book, engine.groups
    admitted = groups.admitted.get(author, ())
    account = book.accounts.get(author)
    return AuthorStanding(
        open_orders=len(account.orders) if account else 0,
        lease_until_ms=book.timetable.leases.get(author, 0),
        owner=groups.of(author),
        wants=groups.joined.get(author, b""),
        members=tuple(member for member in admitted if groups.of(member) == author),
        admitted=admitted,
    )


def find_order(pair: PairReplica, author: PublicKey, client_id: int) -> OrderState | None:
    """What is known of an order: certified, or pending in an op that is held here; None if nothing is."""
    found = pair.orders.find(author, client_id)
    if found is not None:
        in_line = found.status == "waiting" and is_in_line(pair, author, client_id)
        return replace(found, status="triggered") if in_line else found
    op = pending_op(pair, author, client_id)
    place = None if op is None else entering(op, client_id)
    if not isinstance(place, AnyPlace):
        return None
    return _pending(place)


def pending_by_text(pair: PairReplica, author: PublicKey, text_id: str) -> int | None:
    """The client order id of an order that waits here, uncertified, under a text id; the last of several."""
    found = None
    for op in pair.ops.pending(author):
        for command in op.commands:
            if isinstance(command, PlaceNamed) and command.text_id == text_id:
                found = command.client_id
    return found


def pending_by_id(pair: PairReplica, author: PublicKey, client_id: int) -> int | None:
    """The client order id itself, if an order waits here, uncertified, under it."""
    return None if pending_op(pair, author, client_id) is None else client_id


def _pending(place: AnyPlace) -> OrderState:
    state = OrderState(place.side, place.price_ticks, place.qty_lots, place.qty_lots, status="pending")
    if isinstance(place, SpecialPlace):
        state.stop_ticks = place.stop_ticks
    if isinstance(place, PlaceNamed):
        state.text_id = place.text_id
    return state
