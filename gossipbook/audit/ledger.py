"""A book-keeper's view of the events: per order, total = filled + open + cancelled + expired.

No fill may go beyond what is open and shown, no stop order trade before it is triggered, nobody trade with their own
group unless one of the two orders allows it, nor anybody while the pair is not open, but in an auction's end and at its
price. The ledger never matches anything and knows no rule of priority; so it cannot share a mistake with an engine.
"""

from collections.abc import Iterable, Sequence

from gossipbook.audit.export import Event
from gossipbook.audit.ledger_entries import BUY, Memberships, OrderKey, OrderLots

ACCEPTED, REJECTED, FILL, CANCELLED, EXPIRED, AMENDED, FROZEN = 1, 2, 3, 4, 5, 6, 7
TRIGGERED, SLICED, PAIR_STATE, UNCROSSED, LEASED, LEASE_ENDED, GROUPED, STOP_ACCEPTED = 8, 9, 10, 11, 12, 13, 14, 15
PLACES = (1, 5, 10)  # the kinds of commands that use up a client order id
OPEN, HALTED, AUCTION = 1, 4, 5
SELF_TRADE = 4  # a cause


class Ledger:
    """The lots of one pair's open orders, and of those that the present block closed.

    From version 3 of the rules on a block may end before its work is done: an auction may go on in the next one, leases
    end later, and triggered orders go on waiting. Each event about an order then tells its past.
    """

    def __init__(self, rules: int = 2, max_block_work: int = 0) -> None:
        self._bounded = rules >= 3
        self._max_block_work = max_block_work
        self.open: dict[OrderKey, OrderLots] = {}
        self.closed: dict[OrderKey, OrderLots] = {}
        self.last_ids: dict[bytes, int] = {}
        self.last_number = 0
        self.fills = 0
        self.overfilled: dict[OrderKey, None] = {}  # orders filled beyond their quantity
        self.pair_state = OPEN
        self.leases: dict[bytes, int] = {}  # until when, by author
        self._waiting: dict[OrderKey, OrderLots] = {}  # stop orders that no trade has reached
        self._line: dict[OrderKey, OrderLots] = {}  # those that one has, and that have not run
        self._allowing: dict[OrderKey, None] = {}  # open orders that may trade with their author's own
        self._groups = Memberships()
        self._opening = False  # a pair was just opened, and an auction may end
        self._auction_ticks = self._auction_lots = 0  # the price of the one that ends, and what is still to trade
        self._time_ms = 0

    def take(self, events: Sequence[Event], time_ms: int = 0, allowing: Iterable[OrderKey] = ()) -> list[str]:
        """Book one block's events; what is wrong with them. Without the block's time leases are not held to it.

        ``allowing``: the orders that the block's ops place so that they may trade with their author's own.
        """
        self._allowing |= dict.fromkeys(allowing)
        self.closed = {}
        self._time_ms = time_ms
        is_held_up = bool(self._auction_lots) or self._opening
        wrong: list[str] = []
        for event in events:
            if event[1] != self.last_number + 1:
                wrong.append(f"event {event[1]} follows event {self.last_number}")
            self.last_number = event[1]
            fault = self._out_of_place(event) or self._book(event)
            if fault:
                wrong.append(f"event {event[1]}: {fault}")
        self._allowing = {key: None for key in self._allowing if key in self.open}
        if self._bounded and (is_held_up or 2 * len(events) >= self._max_block_work):
            return wrong  # It may have been too full for more.
        if self._auction_lots and not self._bounded:
            wrong.append(f"an auction ends with {self._auction_lots} lots left to trade")
            self._auction_lots = 0
        late = [author for author, until_ms in self.leases.items() if until_ms < time_ms]
        return wrong + [f"the lease of {author.hex()[:8]} has run out and was not ended" for author in late]

    def take_rival(self, events: Iterable[Event]) -> None:
        """Count what a second block at the present height fills on top of the first."""
        filled: dict[OrderKey, int] = {}
        accepted: dict[OrderKey, None] = {}
        for event in events:
            if event[0] in (ACCEPTED, STOP_ACCEPTED):
                accepted[event[2], event[3]] = None
            elif event[0] == FILL:
                for key in ((event[4], event[5]), (event[6], event[7])):
                    filled[key] = filled.get(key, 0) + event[3]
        for key, lots in filled.items():
            order = self.open.get(key) or self.closed.get(key)
            if order is not None:
                if order.filled + lots > order.total:
                    self.overfilled[key] = None
            elif key not in accepted:
                self.overfilled[key] = None  # Closed before this height.

    def resting(self) -> dict[OrderKey, tuple[int, int, int, int]]:
        """(side, price, shown lots, open lots) of each order in the book."""
        return {key: (a.side, a.price_ticks, a.shown, a.open) for key, a in self.open.items() if not a.waits}

    def waiting(self) -> dict[OrderKey, tuple[int, int, int, int]]:
        """(side, stop price, price, open lots) of each stop order that waits."""
        waiting = self._waiting | self._line if self._bounded else self._waiting
        return {key: (a.side, a.stop_ticks, a.price_ticks, a.open) for key, a in waiting.items()}

    def line(self) -> dict[OrderKey, tuple[int, int, int, int]]:
        """The same of those that a trade has reached and that have not run yet, where these wait no more."""
        line = {} if self._bounded else self._line
        return {key: (a.side, a.stop_ticks, a.price_ticks, a.open) for key, a in line.items()}

    def due(self, time_ms: int) -> bool:
        """Whether a block at this time has something to do without any op."""
        left_over = self._bounded and (bool(self._auction_lots) or (self._opening and self._is_crossed()))
        triggered = self.pair_state == OPEN and bool(self._line)
        return triggered or left_over or any(until < time_ms for until in self.leases.values())

    def _is_crossed(self) -> bool:
        resting = [order for order in self.open.values() if not order.waits]
        bids = [order.price_ticks for order in resting if order.side == BUY]
        offers = [order.price_ticks for order in resting if order.side != BUY]
        return bool(bids and offers) and max(bids) >= min(offers)

    # -- parts --------------------------------------------------------------------------------------

    def _out_of_place(self, event: Event) -> str:
        """An auction's end is one piece: groups part, the price is found, and all of the volume trades."""
        kind, opening = event[0], self._opening
        held_up = self._bounded and kind == REJECTED  # as all that follows in the op that ended the auction
        parts = kind == SLICED or (kind == CANCELLED and event[6] == SELF_TRADE)
        self._opening = kind == PAIR_STATE or (opening and (held_up if self._bounded else parts))
        if self._auction_lots and kind not in (FILL, SLICED) and not held_up:
            left, self._auction_lots = self._auction_lots, 0
            return f"an auction ends with {left} lots left to trade"
        if kind == UNCROSSED and not opening:
            return "an auction ends where none was ended"
        return ""

    def _book(self, event: Event) -> str:
        match event:
            case (1, number, author, client_id, side, price, lots, *_):
                return self._accept((author, client_id), OrderLots(side, price, lots, lots, lots, last_event=number))
            case (2, _, author, client_id, command, _, *_):
                if command in PLACES:
                    self.last_ids[author] = max(client_id, self.last_ids.get(author, 0))
                return ""
            case (3, number, price, lots, maker, maker_id, taker, taker_id, taker_side, *past):
                return self._fill(number, price, lots, (maker, maker_id), (taker, taker_id), taker_side, past)
            case (4, number, author, client_id, lots, left, _, *past):
                key = author, client_id
                return self._past(key, number, past) or self._take_out(key, lots, left)
            case (5, number, author, client_id, lots, *past):
                key = author, client_id
                return self._past(key, number, past) or self._take_out(key, lots, 0)
            case (6, number, author, client_id, price, total, left, *past):
                key = author, client_id
                past[1:1] = [total] if past else []
                return self._amend(key, price, total, left) or self._past(key, number, past)
            case (7, _, author):
                self.leases.pop(author, None)
                return ""
        return self._book_later(event)

    def _book_later(self, event: Event) -> str:
        """The events of rules version 2."""
        match event:
            case (8, number, author, client_id, price, lots, *past):
                key = author, client_id
                return self._past(key, number, past) or self._trigger(key, price, lots)
            case (9, number, author, client_id, shown, hidden, *past):
                key = author, client_id
                return self._past(key, number, past) or self._slice(key, shown, hidden)
            case (10, _, _, state):
                self.pair_state = state
                self._opening = state not in (HALTED, AUCTION)
                return "" if 1 <= state <= AUCTION else f"no state {state}"
            case (11, _, price, lots):
                self._auction_ticks, self._auction_lots = price, lots
                return "" if lots else "an auction ends with nothing to trade"
            case (12, _, author, until_ms):
                return self._lease(author, until_ms)
            case (13, _, author):
                return self._end_lease(author)
            case (16, _, author):
                self.last_ids.pop(author, None)
                left = [key for key in self.open if key[0] == author]
                return f"{author.hex()[:8]} leaves, but keeps {len(left)} orders" if left else ""
            case (14, _, member, owner, consent):
                return self._groups.take(member, owner, consent)
            case (15, number, author, client_id, side, stop, price, lots, *_):
                order = OrderLots(side, price, lots, lots, lots, stop, waits=True, last_event=number)
                fault = self._accept((author, client_id), order)
                if not fault:
                    self._waiting[author, client_id] = self.open[author, client_id]
                return fault or ("" if stop else f"order {_name((author, client_id))} waits for no price")
        return ""

    def _accept(self, key: OrderKey, order: OrderLots) -> str:
        author, client_id = key
        if client_id <= self.last_ids.get(author, 0):
            return f"order {_name(key)} is accepted again"
        if order.side not in (1, 2) or order.total < 1:
            return f"order {_name(key)} has no side or no quantity"
        self.last_ids[author] = client_id
        self.open[key] = order
        return ""

    def _past(self, key: OrderKey, number: int, past: Sequence[int]) -> str:
        """Whether an event tells of its order what the events before it come to."""
        order = self.open.get(key)
        if order is None:
            return ""  # which is for another to say
        expected = [order.filled, order.total, order.last_event] if self._bounded else []
        order.last_event = number
        if list(past) != expected:
            return f"order {_name(key)} has a past of {list(past)}, not {expected}"
        return ""

    def _fill(
        self,
        number: int,
        price: int,
        lots: int,
        maker: OrderKey,
        taker: OrderKey,
        taker_side: int,
        past: Sequence[int],
    ) -> str:
        self.fills += 1
        orders = [self.open.get(key) for key in (maker, taker)]
        for key, order in zip((maker, taker), orders, strict=True):
            if order is None or order.open < lots or lots < 1:
                self.overfilled[key] = None
                left = 0 if order is None else order.open
                return f"order {_name(key)} fills {lots} lots, but has {left} open: filled twice or too much"
            if order.waits or order.shown < lots:
                shown = 0 if order.waits else order.shown
                return f"order {_name(key)} fills {lots} lots, but shows {shown}"
        made, took = orders
        assert made is not None
        assert took is not None
        fault = self._may_trade(price, lots, maker, taker)
        if fault:
            return fault
        if took.side != taker_side or made.side == taker_side:
            return f"orders {_name(maker)} and {_name(taker)} are not on the sides that trade"
        told = [past[:4], past[4:]] if self._bounded else [past, []]
        for key, order, said in ((maker, made, told[0]), (taker, took, told[1])):
            if not order.allows(price):
                return f"order {_name(key)} fills at {price}, beyond its limit {order.price_ticks}"
            order.take(lots)
            order.filled += lots
            open_lots = list(said[1:2])
            fault = self._past(key, number, [*said[:1], *said[2:]])
            if fault or open_lots != ([order.open] if self._bounded else []):
                return fault or f"order {_name(key)} is said to have {open_lots} lots left, not {order.open}"
            self._settle(key, order)
        for key in [key for key, order in self._waiting.items() if order.reached(price)]:
            self._line[key] = self._waiting.pop(key)
        return ""

    def _may_trade(self, price: int, lots: int, maker: OrderKey, taker: OrderKey) -> str:
        """Who may trade at all, and when."""
        allowed = maker in self._allowing or taker in self._allowing
        if maker[0] == taker[0] and not allowed:
            return f"orders {_name(maker)} and {_name(taker)} of one author trade"
        if not allowed and self._groups.of(maker[0]) == self._groups.of(taker[0]):
            return f"orders {_name(maker)} and {_name(taker)} of one group trade"
        if self._auction_lots:
            left, self._auction_lots = self._auction_lots, max(0, self._auction_lots - lots)
            if price != self._auction_ticks or lots > left:
                return f"{lots} lots trade at {price} in an auction of {left} more at {self._auction_ticks}"
        elif self.pair_state != OPEN:
            return f"orders {_name(maker)} and {_name(taker)} trade while the pair is not open"
        return ""

    def _take_out(self, key: OrderKey, lots: int, left: int) -> str:
        order = self.open.get(key)
        if order is None or order.open - lots != left:
            had = 0 if order is None else order.open
            return f"order {_name(key)} loses {lots} of {had} open lots and is said to keep {left}"
        order.take(lots)
        order.gone += lots
        self._settle(key, order)
        return ""

    def _amend(self, key: OrderKey, price: int, total: int, left: int) -> str:
        order = self.open.get(key)
        if order is None:
            return f"order {_name(key)} is amended, but not open"
        if not left or total != order.filled + left + order.gone:
            return f"order {_name(key)} does not add up after its amend"
        order.amend(price, total, left)
        return ""

    def _trigger(self, key: OrderKey, price: int, lots: int) -> str:
        order = self._line.pop(key, None)
        if order is None:
            return f"order {_name(key)} is triggered, but no trade has reached its stop price"
        order.waits = False
        if (price, lots) != (order.price_ticks, order.open):
            return f"order {_name(key)} is triggered with other lots or at another price than it has"
        return "" if self.pair_state == OPEN else f"order {_name(key)} is triggered while the pair is not open"

    def _slice(self, key: OrderKey, shown: int, hidden: int) -> str:
        order = self.open.get(key)
        if order is None or order.waits or shown < 1 or order.open != shown + hidden:
            return f"order {_name(key)} is said to show {shown} and hide {hidden} lots, which it does not have"
        order.shown = shown
        return ""

    def _lease(self, author: bytes, until_ms: int) -> str:
        if until_ms:
            self.leases[author] = until_ms
        else:
            self.leases.pop(author, None)
        return ""

    def _end_lease(self, author: bytes) -> str:
        until_ms = self.leases.pop(author, None)
        if until_ms is None or (self._time_ms and until_ms >= self._time_ms):
            return f"the lease of {author.hex()[:8]} ends, but has not run out"
        return ""

    def _settle(self, key: OrderKey, order: OrderLots) -> None:
        assert order.balanced()
        if not order.open:
            self.closed[key] = self.open.pop(key)
            self._waiting.pop(key, None)
            self._line.pop(key, None)


def _name(key: OrderKey) -> str:
    return f"{key[0].hex()[:8]}/{key[1]}"
