"""One pair's market without peers: blocks of signed ops, ordered and executed by the rules of every network.

    market = Market()
    alice, bob = market.author("alice"), market.author("bob")
    offer = alice.sell(5, at=100)
    market.block()
    bid = bob.buy(3, at=101)
    market.block()
    assert (bid.filled, offer.open) == (3, 2)

What authors ask for waits until :meth:`Market.block` makes a block of it, as a leader would of what has arrived.
Ticks and lots are 1, so prices and quantities are plain integers.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from gossipbook.accounts.order_state import OrderState
from gossipbook.consensus.canonical import canonical_order
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import GENESIS_PREV, LIFE, Op, life_of, sign_op
from gossipbook.crdt.stays import opening_expiry_ms
from gossipbook.identity import Identity
from gossipbook.ids import BlockId, PublicKey, digest
from gossipbook.limits import Limits
from gossipbook.manifest import RULES_VERSION, Manifest, Matcher, Pair
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    AmendFlags,
    Cancel,
    Command,
    JoinGroup,
    Lease,
    PairState,
    Side,
)
from gossipbook.matching.events import Event, Fill, name_event
from gossipbook.peer.orders import OrderLog
from gossipbook.trade.tickets import Ticket, cancel_all, good_until_ms, set_state

SYMBOL = "A-B"
START_MS = 1_700_000_000_000
WARDEN = "warden"


class Market:
    """One pair and its chain. Keywords are those of a manifest's limits, and ``price_band_bps``.

    The author named "warden" may set the pair's state.
    """

    def __init__(self, *, price_band_bps: int = 0, **limits: int) -> None:
        matcher = Matcher("solo", _identity("a matcher").public_key, "solo")
        pair = Pair(SYMBOL, "1", "1", price_band_bps=price_band_bps)
        wardens = (_identity(WARDEN).public_key,)
        self.manifest = Manifest(
            "market", (pair,), (matcher,), 1, "crash", wardens=wardens, limits=Limits.of(RULES_VERSION, **limits)
        )
        self.log = OrderLog()
        self.now_ms = START_MS
        self.parent: BlockId = self.manifest.chain_id
        self._certified = Interpretation(self.manifest, SYMBOL)
        self._authors: dict[str, Author] = {}
        self._pending: list[Op] = []
        self._left: set[PublicKey] = set()

    def author(self, name: str) -> "Author":
        """Return the author of a name, with a key of its own."""
        return self._authors.setdefault(name, Author(self, name))

    def block(self, *, after_s: float = 1.0, without: Collection["Author"] = ()) -> list[Event]:
        """Let time pass, make a block of what waits, and return its events; ops of authors in ``without`` are left out.

        If nothing waits and nothing is due, there is no block, and no event.
        """
        self.now_ms += round(after_s * 1_000)
        left_out = {author.key for author in without}
        self._pending = [op for op in self._pending if self._may_come(op)]
        chosen = [op for op in self._pending if op.author not in left_out]
        if not chosen and not self._certified.due(self.now_ms):
            return []
        self._pending = [op for op in self._pending if op.author in left_out]
        items = canonical_order(self.parent, chosen)
        execution = self._certified.execute(self.now_ms, items)
        assert execution.ran == len(items), "more work than a block has room for"
        events = execution.events
        self._certified.commit()
        self._left |= set(execution.left)
        self._left -= {item.author for item in items}
        self.log.follow(events)
        self.parent = digest(b"market", self.parent, self.now_ms.to_bytes(8, "big"), *(item.id for item in items))
        return [name_event(event) for event in events]

    def _may_come(self, op: Op) -> bool:
        """Whether an op is not of a life that can begin no more."""
        author_is_known = op.author in self._certified.authors
        return author_is_known or op.seq % LIFE > 0 or self._certified.may_begin(op, self.now_ms)

    def trades(self, events: Sequence[Event]) -> list[tuple[str, str, int, int]]:
        """Return the fills among events: buyer, seller, quantity, price."""
        found = []
        for event in events:
            if isinstance(event, Fill):
                names = self.name(event.taker), self.name(event.maker)
                buyer, seller = names if event.taker_side == Side.BUY else names[::-1]
                found.append((buyer, seller, event.qty_lots, event.price_ticks))
        return found

    def queue(self, side: str) -> list[tuple[str, int, int]]:
        """Return the orders of a side, best first: author, price, and quantity as shown."""
        rows = self._certified.engine.open_orders(Side[side.upper()])
        return [(self.name(row[0]), row[2], row[3]) for row in rows]

    @property
    def state(self) -> str:
        """The pair's state, as a word."""
        return PairState(self._certified.engine.pair_state).word

    def name(self, key: PublicKey) -> str:
        """Return the name of the author with a key."""
        return next(author.name for author in self._authors.values() if author.key == key)

    def has_left(self, author: "Author") -> bool:
        """Whether an author was in the table, and is no more."""
        return author.key in self._left

    def take(self, op: Op) -> None:
        """Add an op to those that wait for the next block."""
        self._pending.append(op)


class Order:
    """An order that an author placed, and its present state."""

    def __init__(self, author: "Author", client_id: int) -> None:
        self.author = author
        self.client_id = client_id

    @property
    def _state(self) -> OrderState:
        found = self.author.market.log.find(self.author.key, self.client_id)
        return found or OrderState(0, 0, 0, 0, status="pending")

    @property
    def status(self) -> str:
        """``pending`` until it is in a block; then ``waiting``, ``open``, ``filled``, ``cancelled``, …"""
        return self._state.status

    @property
    def reason(self) -> str:
        """Why it was rejected or cancelled."""
        return self._state.reason

    @property
    def price(self) -> int:
        return self._state.price_ticks

    @property
    def filled(self) -> int:
        return self._state.filled_lots

    @property
    def open(self) -> int:
        return self._state.open_lots

    @property
    def hidden(self) -> int:
        """How much of the open quantity an iceberg does not show."""
        return self._state.hidden_lots


class Author:
    """A trader. Each call signs an op, which waits for the market's next block."""

    def __init__(self, market: Market, name: str) -> None:
        self.market = market
        self.name = name
        self._identity = _identity(name)
        self._seq, self._head, self._last_id = 0, GENESIS_PREV, 0

    @property
    def key(self) -> PublicKey:
        return self._identity.public_key

    def buy(self, qty: int, *, at: int, **terms: Any) -> Order:
        """Place an order, in the words of :class:`~gossipbook.trade.tickets.Ticket`.

        Besides: ``on_quorum_loss`` and ``within_s``; ``op_expires_s``, after which the op is void; ``lapses_s``, after
        which the order lapses.
        """
        return self._place("buy", qty, at, **terms)

    def sell(self, qty: int, *, at: int, **terms: Any) -> Order:
        """As :meth:`buy`, on the other side."""
        return self._place("sell", qty, at, **terms)

    def cancel(self, order: Order) -> None:
        self.sign(Cancel(order.client_id))

    def cancel_all(self, side: str = "") -> None:
        self.sign(cancel_all(side))

    def amend(self, order: Order, *, qty: int = 0, price: int = 0, reduce_only: bool = False) -> None:
        flags = AmendFlags.REDUCE_ONLY if reduce_only else AmendFlags.NONE
        self.sign(Amend(order.client_id, price, qty, flags))

    def lease(self, for_s: float) -> None:
        """Take or renew a lease (dead man's switch); 0 ends it."""
        self.sign(Lease(round(for_s * 1_000)))

    def join(self, owner: "Author") -> None:
        self.sign(JoinGroup(owner.key))

    def admit(self, member: "Author") -> None:
        self.sign(AdmitToGroup(member.key))

    def set_state(self, word: str) -> None:
        """Set the pair's state, as a warden."""
        self.sign(set_state(word))

    def sign(self, *commands: Command, expiry_ms: int = 0) -> None:
        """Sign any commands as one op."""
        manifest = self.market.manifest
        if self.market.has_left(self):
            self._seq, self._head = (life_of(self._seq) + 1) * LIFE, GENESIS_PREV
        if self._seq % LIFE == 0:
            opens_ms = opening_expiry_ms(self.market.now_ms, manifest.limits.author_retention_ms)
            expiry_ms = min(expiry_ms, opens_ms) if expiry_ms else opens_ms
        op = sign_op(self._identity, manifest.chain_id, SYMBOL, self._seq, self._head, commands, expiry_ms)
        self._seq, self._head = self._seq + 1, op.id
        self.market.take(op)

    def _place(
        self,
        side: str,
        qty: int,
        at: int,
        *,
        on_quorum_loss: str = "",
        within_s: float = 0,
        op_expires_s: float = 0,
        lapses_s: float = 0,
        **terms: Any,
    ) -> Order:
        now_ms = self.market.now_ms
        if lapses_s:
            terms["expires_ms"] = now_ms + round(lapses_s * 1_000)
        ticket = Ticket(side=side, price_ticks=at, qty_lots=qty, **terms)
        until_ms = good_until_ms(on_quorum_loss, round(within_s * 1_000), now_ms)
        if until_ms:
            ticket = ticket.until(until_ms)
        if op_expires_s:
            until_ms = now_ms + round(op_expires_s * 1_000)
        self._last_id += 1
        self.sign(ticket.command(self._last_id), expiry_ms=until_ms)
        return Order(self, self._last_id)


def _identity(name: str) -> Identity:
    return Identity(hashlib.sha256(f"market {name}".encode()).digest())
