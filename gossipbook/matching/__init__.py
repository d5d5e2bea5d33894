"""The matching engine: one pair's book, deterministic, in integers, by price then time.

It has no clock and no I/O: it executes commands in the order given, at the block time given, and appends
numbered events. All peers that execute the same commands hold the same book to the last queue position.

Rules
-----
*Refusals.* A refused command is a ``Rejected`` event with the **first** reason that applies, in this order.

Place: client id at or below the author's last → ``id-reused`` (changes nothing; every other outcome makes the
id the author's last) · the op is void (see below) → ``op-expired`` · market without IOC/FOK, post-only with
market, IOC or FOK, GTD without ``expires_ms``, or ``expires_ms`` without GTD → ``invalid-combination`` · GTD
with block time above ``expires_ms`` → ``already-expired`` · price outside 1..max → ``price-out-of-range`` ·
quantity outside min..max → ``quantity-out-of-range`` · price band → ``price-band`` · a GTC or GTD order of an
author with the maximum of open orders → ``too-many-open-orders``, of a pair with the maximum → ``book-full`` ·
post-only and the opposite best is at its price or better → ``post-only-would-cross``.

Cancel: not open → ``order-closed`` if the id is at or below the author's last, else ``unknown-order``.

Amend: as cancel · it is a *reduction* if the price stays and the new open quantity (new total − what was filled
or decremented so far) is at most the present one · flagged reduce-only and not a reduction →
``not-a-reduction`` · void op and not a reduction → ``op-expired`` · new open quantity ≤ 0 → the order is
cancelled (``amended-away``), not refused · new total outside min..max → ``quantity-out-of-range`` (a reduction
to below the minimum too) · and unless it is a reduction: price outside 1..max → ``price-out-of-range`` · price
band, if the price changes → ``price-band`` · post-only order and the opposite best is at the new price or
better → ``post-only-would-cross``.

*Void ops.* When block time is above an op's ``expiry_ms`` (and that is not 0), its places and non-reducing
amends are refused; its cancels and reductions run.

*Price band* (after CME's price banding: bids too high and offers too low are refused). With reference r, the
last trade's price at the end of the previous block (0: none yet, no check), and b = ``price_band_bps`` (0:
off): a buy with price·10000 > r·(10000+b) or a sell with price·10000 < r·(10000−b).

*Matching.* After ``Accepted`` an order meets the best opposite price levels that its price allows, each level's
queue from the front, at the maker's price, until it is filled; one ``Fill`` per maker. A fill-or-kill order
first checks that it can fill whole against *other* authors' orders under its self-trade mode: meeting an own
order before that ends the check unless the mode is cancel-maker, which skips it; if it cannot, it is
``Cancelled`` (``unfilled``) and nothing else happens. An order that may not rest has its remainder
``Cancelled`` (``unfilled``); any other rests at the back of its level's queue. When the front of the queue is
the taker's own author, the taker's mode decides, with ``Cancelled`` (``self-trade``) events: cancel-taker takes
the whole remainder of the taker out and ends its matching; cancel-maker takes the maker out and goes on;
cancel-both does the maker, then the taker; decrement takes the smaller open quantity out of the maker, then out
of the taker, and goes on.

*Amend.* A reduction lowers the open quantity in place, one ``Amended`` event. Any other amend takes the order
out of its queue, emits ``Amended``, and enters it anew with its own self-trade mode: it may match, and the rest
goes to the back of its level. Price-time priority counts from that moment.

*Cancel all* cancels in order of entry (an amend that lost its place counts as entry), cause ``cancel-all``.

*Start of a block*: GTD orders with block time above ``expires_ms`` lapse, by (``expires_ms``, order of entry).
*End of a block*: the price band's reference becomes the last fill's price, if the block had a fill.

Conservation, for each order, always: total = filled + open + cancelled + expired, where the total is that of
the last amend, and an amend that cuts open quantity cuts the total alike.

*Order numbers* name time priority: every accepted place and every amend that lost its place takes the next one,
whether it rests or not. Caps are checked before matching, and not for amends. Market orders keep to price range
and band with their protection price. An author's own orders count as the opposite best for post-only. A frozen
author's later commands would still run; blocks do not carry them.

Speculation: one block at a time may be executed and rolled back exactly, by an undo log.

Bounds: open orders per author and per pair (manifest limits). Tombstones of cancelled orders in a level's queue
never outnumber its live orders by more than a constant (``ladder.TOMBSTONE_SLACK``).
"""
