"""What must hold after every command, judged from commands, events and the open book alone.

A law is a function of a :class:`Step` and of the :class:`Ledger` after it; it raises AssertionError where it is broken.
Each has code of its own, none knows how the engine works, and each can be asked alone.
"""

from collections.abc import Callable

from gossipbook.matching.commands import (
    Amend,
    AnyPlace,
    Cancel,
    OrderType,
    PairState,
    PlaceFlags,
    PlaceSpecial,
    SelfTrade,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import (
    Accepted,
    Amended,
    CancelCause,
    Cancelled,
    Expired,
    Fill,
    PairStateSet,
    RejectReason,
    Sliced,
    Triggered,
    Uncrossed,
)

from .ledger import Ledger, Row, Step, parties
from .queues import Queues

Law = Callable[[Step, Ledger], None]
MAY_BE_CROSSED = (PairState.AUCTION, PairState.HALTED)


def never_crossed(step: Step, _: Ledger) -> None:
    assert step.after.state in MAY_BE_CROSSED or not step.after.is_crossed(), step.after


def conservation(step: Step, ledger: Ledger) -> None:
    """total = filled + cancelled + expired + open, of every order there ever was; open includes what is hidden."""
    held = {row.identity: row.lots for row in step.after.open()}
    assert held.keys() <= ledger.entries.keys(), "an order that nobody placed"
    for identity, entry in ledger.entries.items():
        gone = entry.filled + entry.cancelled + entry.expired
        assert entry.total == gone + held.get(identity, 0), (identity, entry, held.get(identity))
    assert all(event.qty_lots > 0 for event in step.events if isinstance(event, Fill | Cancelled | Expired))
    assert all(row.shown > 0 <= row.hidden for row in (*step.after.bids, *step.after.asks))


def no_fill_worse_than_limit(step: Step, ledger: Ledger) -> None:
    for fill in step.of_type(Fill):
        for identity in parties(fill):
            assert ledger.entries[identity].allows(fill.price_ticks), (fill, ledger.entries[identity])


def price_time_priority(step: Step, ledger: Ledger) -> None:
    """Every fill is with the front of the best level, and what joins a level joins it at the back."""
    queues = Queues(step.before.bids, step.before.asks)
    for event in step.events:
        if isinstance(event, Sliced):
            entry = ledger.entries[event.author, event.client_id]
            queues.slice(event, entry.place.side, entry.limit)
        elif isinstance(event, Triggered):
            queues.trigger(event, ledger.entries[event.author, event.client_id].place.side)
        else:
            queues.take(event)
    queues.check(step.after.bids, step.after.asks)


def partial_fill_keeps_the_front(step: Step, _: Ledger) -> None:
    fills = step.of_type(Fill)
    for row in (*step.before.bids, *step.before.asks):
        lots = sum(fill.qty_lots for fill in fills if row.identity in parties(fill))
        changed = any((event.author, event.client_id) == row.identity for event in step.of_type(Cancelled))
        if 0 < lots < row.shown and not changed and not isinstance(step.command, Amend):
            left = row._replace(shown=row.shown - lots)
            assert left in step.after.open(), "keeps its number"
            assert step.after.level(left)[0] == left


def reduction_keeps_priority(step: Step, _: Ledger) -> None:
    amended = step.amended()
    if amended is None:
        return
    row, event = amended
    if event.price_ticks != row.price or event.open_lots > row.lots:
        return
    left = step.after.find(row.identity)
    assert left is not None
    assert (left.number, left.lots) == (row.number, event.open_lots)
    if isinstance(row, Row) and isinstance(left, Row):
        assert left.shown == min(row.shown, event.open_lots), "what is hidden goes first"
        ahead = [other.identity for other in step.before.level(row)]
        assert ahead == [other.identity for other in step.after.level(left)]


def increase_loses_priority(step: Step, _: Ledger) -> None:
    amended = step.amended()
    if amended is None:
        return
    row, event = amended
    left = step.after.find(row.identity)
    if left is None or (event.price_ticks == row.price and event.open_lots <= row.lots):
        return
    assert left.number > step.before.highest_number()
    if isinstance(left, Row):
        assert step.after.level(left)[-1] == left


def fill_or_kill(step: Step, ledger: Ledger) -> None:
    place = step.entered()
    if place is None or place.tif != TimeInForce.FOK:
        return
    _all_or_nothing(step, ledger, place, place.qty_lots, CancelCause.UNFILLED)


def minimum_quantity(step: Step, ledger: Ledger) -> None:
    place = step.entered()
    if place is None or not place.min_lots:
        return
    _all_or_nothing(step, ledger, place, place.min_lots, CancelCause.BELOW_MINIMUM)


def _all_or_nothing(step: Step, ledger: Ledger, place: PlaceSpecial, wanted: int, cause: CancelCause) -> None:
    filled = sum(fill.qty_lots for fill in step.of_type(Fill))
    if filled < wanted:
        assert [type(event) for event in step.events] == [Accepted, Cancelled], "and nothing else happens"
        assert (step.events[1].qty_lots, step.events[1].cause) == (place.qty_lots, cause)
    entry = ledger.entries[step.author, place.client_id]
    opposite = step.before.asks if place.side == Side.BUY else step.before.bids
    reach = [row for row in opposite if entry.allows(row.price)]
    if not any(ledger.share_group(row.author, step.author) for row in reach):
        assert (filled >= wanted) == (sum(row.lots for row in reach) >= wanted)


def post_only_never_takes(step: Step, ledger: Ledger) -> None:
    if not isinstance(step.command, AnyPlace | Amend):
        return
    entry = ledger.entries.get((step.author, step.command.client_id))
    if entry is None or not entry.place.flags & PlaceFlags.POST_ONLY:
        return
    assert not step.of_type(Fill)
    if step.of_type(Accepted) or (step.of_type(Amended) and step.after.state not in MAY_BE_CROSSED):
        opposite = step.before.asks if entry.place.side == Side.BUY else step.before.bids
        assert not opposite or not entry.allows(opposite[0].price), "it would have taken"


def immediate_never_rests(step: Step, ledger: Ledger) -> None:
    for row in (*step.after.bids, *step.after.asks):
        place = ledger.entries[row.identity].place
        assert place.tif in (TimeInForce.GTC, TimeInForce.GTD), place
        assert place.type in (OrderType.LIMIT, OrderType.STOP_LIMIT), place


def no_self_trade(step: Step, ledger: Ledger) -> None:
    for fill in step.of_type(Fill):
        modes = [ledger.entries[order].place.self_trade for order in parties(fill)]
        assert SelfTrade.ALLOW in modes or fill.maker != fill.taker
        assert SelfTrade.ALLOW in modes or not ledger.share_group(fill.maker, fill.taker)


def stale_is_refused(step: Step, _: Ledger) -> None:
    if not isinstance(step.command, Cancel | Amend):
        return
    if step.before.find((step.author, step.command.client_id)) is not None:
        return
    used = step.command.client_id <= step.last_id
    reason = RejectReason.ORDER_CLOSED if used else RejectReason.UNKNOWN_ORDER
    assert step.is_refusal(RejectReason.PAIR_HALTED if step.before.state == PairState.HALTED else reason), step.events


def used_id_is_refused(step: Step, _: Ledger) -> None:
    if isinstance(step.command, AnyPlace) and step.command.client_id <= step.last_id:
        assert step.is_refusal(RejectReason.ID_REUSED), step.events


def iceberg_shows_its_slice_last(step: Step, ledger: Ledger) -> None:
    for row in (*step.after.bids, *step.after.asks):
        display = ledger.entries[row.identity].place.display_lots
        assert row.shown <= display if display else not row.hidden, row
    for event in step.of_type(Sliced):
        assert event.shown_lots <= ledger.entries[event.author, event.client_id].place.display_lots
        left = step.after.find((event.author, event.client_id))
        if isinstance(left, Row):
            assert left.number > step.before.highest_number(), "a new slice is a new entry"
            numbers = [row.number for row in step.after.level(left)]
            assert numbers == sorted(numbers), "behind all that entered before it"


def stop_waits_for_its_trade(step: Step, ledger: Ledger) -> None:
    assert not any(ledger.entries[event.author, event.client_id].is_stop() for event in step.of_type(Accepted))
    for event in step.of_type(Triggered):
        assert 0 < ledger.entries[event.author, event.client_id].reached_by < event.number
    for fill in step.of_type(Fill):
        for entry in map(ledger.entries.__getitem__, parties(fill)):
            assert not entry.is_stop() or 0 < entry.triggered_by < fill.number
    assert not any(ledger.entries[row.identity].reached_by for row in step.after.waiting), "it was reached"
    assert all(ledger.entries[row.identity].reached_by for row in step.after.line)


def auction_has_one_price(step: Step, _: Ledger) -> None:
    fills = step.of_type(Fill)
    found = step.of_type(Uncrossed)
    assert not fills or step.after.state == PairState.OPEN or found, "a trade while the pair is not open"
    if not step.of_type(PairStateSet):
        return
    assert step.after.state in MAY_BE_CROSSED or not step.after.is_crossed(), step.after
    assert {fill.price_ticks for fill in fills} == {event.price_ticks for event in found}
    assert sum(fill.qty_lots for fill in fills) == sum(event.qty_lots for event in found)
    if found and not step.of_type(Cancelled):
        book = step.before
        volumes = [
            min(
                sum(row.lots for row in book.bids if row.price >= price),
                sum(row.lots for row in book.asks if row.price <= price),
            )
            for price in {row.price for row in (*book.bids, *book.asks)}
        ]
        assert found[0].qty_lots == max(volumes), "more could have traded"


LAWS: tuple[Law, ...] = (
    never_crossed,
    conservation,
    no_fill_worse_than_limit,
    price_time_priority,
    partial_fill_keeps_the_front,
    reduction_keeps_priority,
    increase_loses_priority,
    fill_or_kill,
    minimum_quantity,
    post_only_never_takes,
    immediate_never_rests,
    no_self_trade,
    stale_is_refused,
    used_id_is_refused,
    iceberg_shows_its_slice_last,
    stop_waits_for_its_trade,
    auction_has_one_price,
)
