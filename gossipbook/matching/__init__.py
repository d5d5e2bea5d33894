"""The matching engine: one pair's book, deterministic, in integers, by price then time.

It has no clock and no I/O: it executes commands in the order given, at the block time given, and appends
numbered events. All peers that execute the same commands hold the same book to the last queue position.

Rules
-----
*Refusals.* A refused command is a ``Rejected`` event with the **first** reason that applies, in this order.

Place: client id at or below the author's last → ``id-reused`` (changes nothing; every other outcome makes the id
the author's last) · the op is void (see below) → ``op-expired`` · the op's work is done, or an auction goes on (see
*Work*) → ``work-limit`` · above the author's rate → ``rate-limited`` · the
pair is halted → ``pair-halted``, cancel-only → ``pair-cancel-only``, post-only and the order is not →
``pair-post-only``, in an auction and the order is post-only, has a minimum quantity or is not a GTC or GTD limit,
stop or stop-limit order → ``pair-in-auction`` · market without IOC/FOK, post-only with market, IOC or FOK, GTD
without ``expires_ms``, or ``expires_ms`` without GTD, or one of the special combinations below →
``invalid-combination`` · GTD with block time above ``expires_ms`` → ``already-expired`` · price, or a stop order's
stop price, outside 1..max → ``price-out-of-range`` · quantity outside min..max, or displayed quantity given and
below min → ``quantity-out-of-range`` · an iceberg of more than ``SLICES_CAP`` slices (quantity > displayed · cap) →
``too-many-slices`` · price band (not for stop orders) → ``price-band`` · the last trade already is at a stop
order's stop price or beyond → ``stop-would-trigger`` · a GTC or GTD order of an author with the maximum of open
orders → ``too-many-open-orders``, of a pair with the maximum → ``book-full`` · post-only without slide and the
opposite best is at its price or better → ``post-only-would-cross``, with slide if there is no price in 1..max to
slide to.

Special combinations that are invalid: slide without post-only · a stop price without being a stop or stop-limit
order, or the reverse · a stop or stop-limit order that is IOC, FOK, post-only or has a minimum quantity · a
displayed quantity with market, stop, IOC or FOK, or that is not below the quantity · a minimum quantity with FOK or
post-only, or above the quantity.

Cancel: the pair is halted → ``pair-halted`` · an auction goes on → ``work-limit`` · not open → ``order-closed`` if
the id is at or below the author's last, else ``unknown-order``. All commands below: the op's work is done, or an
auction goes on → ``work-limit``. Cancel all: halted → ``pair-halted`` (client id 0).

Amend: above the author's rate → ``rate-limited`` (reduce-only amends are neither counted nor refused so) · halted →
``pair-halted`` · as cancel · it is a *reduction* if the price stays and the new open quantity (new total − what was
filled or decremented so far) is at most the present one · flagged reduce-only and not a reduction →
``not-a-reduction`` · void op and not a reduction → ``op-expired`` · new open quantity ≤ 0 → the order is cancelled
(``amended-away``), not refused · the pair is cancel-only and it is not a reduction → ``pair-cancel-only``;
post-only, and neither a reduction nor of a post-only order → ``pair-post-only`` · new total outside min..max →
``quantity-out-of-range`` (a reduction to below the minimum too) · and unless it is a reduction: more slices than
``SLICES_CAP`` (total > displayed · cap) → ``too-many-slices`` · price outside 1..max → ``price-out-of-range`` ·
price band, if the price changes and the order is not a waiting stop → ``price-band`` · post-only order and the
opposite best is at the new price or better (never in an auction) → ``post-only-would-cross``, or it slides, as for
place.

*Void ops.* When block time is above an op's ``expiry_ms`` (and that is not 0), its places, leases, groups and
non-reducing amends are refused; its cancels and reductions run, and a warden's states.

*Price band* (after CME's price banding: bids too high and offers too low are refused). With reference r, the
last trade's price at the end of the previous block (0: none yet, no check), and b = ``price_band_bps`` (0:
off): a buy with price·10000 > r·(10000+b) or a sell with price·10000 < r·(10000−b).

*Rate.* With ``max_commands_per_author_per_s`` above 0: an author's places (with a fresh id, of an op that is not
void) and amends (but reduce-only ones) are counted, refused ones too, in each second of block time (block time div
1000); beyond the limit they are refused.

*Matching.* After ``Accepted`` an order meets the best opposite price levels that its price allows, each level's
queue from the front, at the maker's price, until it is filled; one ``Fill`` per maker. A fill-or-kill order first
checks that it can fill whole against *others'* orders under its self-trade mode: meeting an own order before that
ends the check unless the mode is cancel-maker, which skips it; if it cannot, it is ``Cancelled`` (``unfilled``) and
nothing else happens. An order with a minimum quantity checks likewise that it can fill at least that much at once;
if not, it is ``Cancelled`` (``below-minimum``). An order that may not rest has its remainder ``Cancelled``
(``unfilled``); any other rests at the back of its level's queue. When the front of the queue is the taker's own
(the same author, or a member of the same group), the taker's mode decides, with ``Cancelled`` (``self-trade``)
events: cancel-taker takes the whole remainder of the taker out and ends its matching; cancel-maker takes the maker
out and goes on; cancel-both does the maker, then the taker; decrement takes the smaller open quantity (of an
iceberg maker: of what it shows) out of the maker, then out of the taker, and goes on.

A taker that says ``allow`` (version 4) trades with its own author's and group's orders as with others'.

*Iceberg.* An order with a displayed quantity matches on arrival with all of it. What rests shows at most the
displayed quantity; the rest is hidden. ``Sliced`` (shown, hidden) is emitted whenever a slice joins the back of its
level's queue, if something is hidden then or was before: first when the order comes to rest with more than the
displayed quantity open, and each time that the shown slice is used up (by fills or decrements) while something is
hidden: then the order takes the next order number and shows min(displayed, hidden) at the back of its level. Checks
of fill-or-kill and minimum quantities count what is hidden. A cancel takes both. A reduction takes from what is
hidden first, and keeps the place. The displayed quantity stays with the order through amends.

*Stops.* A stop or stop-limit order is ``StopAccepted`` and waits outside the book; it counts as open, and can be
cancelled, amended (its limit price and quantity; unless it is a reduction it takes the next order number) and
lapse. Every trade triggers the waiting orders whose stop price it is at or beyond (for a buy: at or above; for a
sell: at or below); they join the line of triggered orders at once, those of one trade by order number. At the end
of a block, while the pair is open, the line is run from the front, at most ``max_triggers_per_block`` orders; what
their trades trigger joins the line; what is left stays in line for the next block. To run is: ``Triggered`` (price,
open quantity), the next order number; outside the price band → ``Cancelled`` (``price-band``); then it enters as a
limit order, a stop order's remainder being ``Cancelled`` (``unfilled``) and a stop-limit order's resting. Orders in
line can still be cancelled, amended (keeping their place in line, under a new order number unless it is a
reduction) and lapse.

*Post-only slide.* Where a post-only order would be refused for crossing, one with slide takes the nearest price
that does not: one tick below the best offer for a buy, one above the best bid for a sell; ``Accepted`` and
``Amended`` show the price it got. An amend that slides to the price that the order has, with no more open quantity
than it has, is carried out as a reduction.

*Amend.* A reduction lowers the open quantity in place, one ``Amended`` event. Any other amend takes the order
out of its queue, emits ``Amended``, and enters it anew with its own self-trade mode: it may match, and the rest
goes to the back of its level. Price-time priority counts from that moment.

*Cancel all* cancels in order of entry (an amend that lost its place, a new slice and a trigger count as entry),
cause ``cancel-all``.

*Lease* (dead man's switch): ``Lease`` with the time until which the author must renew it: block time + ``for_ms``
(0 ends it, until 0; above ``LEASE_CAP_MS`` → ``invalid-combination``; in a void op → ``op-expired``). When block
time is above that, ``LeaseEnded``, and all the author's orders are ``Cancelled`` (``lease``) in order of entry.

*Groups.* Orders of the members of one group, its owner among them, do not trade with each other.
``JoinGroup(owner)`` says whose group the author wants to be in (empty or the own key: none); ``AdmitToGroup(member,
admit)`` says whom the author wants in theirs, or no more; the author is a member of ``owner``'s group while both
hold, so nobody can be drawn into a group. Whoever is in no group is in their own. Each is a ``Grouped`` event
(member, owner, 1 if joined now | 2 if admitted now). Refused: void → ``op-expired`` · halted → ``pair-halted`` ·
auction → ``pair-in-auction`` · admitting oneself, or what would make somebody a member who has members, or make a
member of somebody who is one elsewhere → ``invalid-combination`` · more than ``GROUP_CAP`` admitted →
``group-full``. A frozen author stays in their group.

*States.* ``SetState`` by a warden of the manifest (else ``not-a-warden``) sets the pair ``open``, ``post-only``,
``cancel-only``, ``halted`` or ``auction``, with ``PairState``. In an auction orders rest without matching, so the
book may be crossed. Entering open, post-only or cancel-only with a crossed book uncrosses it, after ``PairState``:
first, for each group (by its owner's key; who is in no group owns one) while its best bid, by price and place, is
at or above its best offer, the later entered of these two (by order number) is the taker of a self-trade, its mode
deciding as above (decrement: by the smaller of what the two show, maker first, each followed by its new slice if it
has one); then, if the book is still crossed, ``Uncrossed`` (price, volume) and fills at that one price, the front
of the best bid level with the front of the best offer level, the earlier entered of the two being the maker, until
the volume is done. The price is, of all from 1 to max: of the greatest volume; then of the smallest surplus
(|demand − supply| at the price); then, if all of these have more demand than supply the highest, if all have less
the lowest, else the nearest to the last trade's price, without one to the middle of them (rounded down). Hidden
quantity counts; after each fill the maker's slice is renewed if need be, then the taker's. States can be set in a
void op, and to what they are.

*Start of a block*: GTD orders with block time above ``expires_ms`` lapse, by (``expires_ms``, order of entry), and
leases end, by (time, author), all by time, orders before leases at the same time. *End of a block*: the line of
triggered orders, then the price band's reference becomes the last fill's price, if there was one.

Conservation, for each order, always: total = filled + open + cancelled + expired, where the total is that of
the last amend, and an amend that cuts open quantity cuts the total alike. Open includes what is hidden.

*Order numbers* name time priority: every accepted place and every amend that lost its place takes the next one,
whether it rests or not; so do a new slice and a triggered order. Caps are checked before matching, and not for
amends. Market orders keep to price range and band with their protection price. An author's own orders count as the
opposite best for post-only. A frozen author's later commands would still run; blocks do not carry them. Freezing
ends the author's lease without an event.

*Work* (from version 3 of the rules on). Each event is a unit of work, and so is each look at

- a price level, where the lots of a fill-or-kill order or of a minimum are looked for;
- an order of the author's that a cancel-all does not cancel;
- each open order of the taker's group, when an order comes into an auction that reaches the other side's best;
- a meeting of a bid level with an offer level, in the search for an auction's price.

*An op's work.* Once the commands of one op have done ``max_op_work``, an order that is being matched meets nobody any
more: if there is somebody left whom it would meet, its remainder is ``Cancelled`` (``work-limit``), even if it could
rest. Of the op's commands that follow, all but
cancels are refused. Each triggered order is an op of its own in this.

*All or nothing* (version 3). For a fill-or-kill order or a minimum, the lots of the levels in its reach are added up,
own ones too. If they are too few, it is ``Cancelled`` as above; if the op's work is done before that is known, it is
``Cancelled`` (``work-limit``). Else it is matched. If it has then filled less than it must, all that is undone, as if
it had met nobody, but each event of it counts as a look; and it is ``Cancelled``, for ``work-limit`` if that ended
its matching, else as above.

*A block's work.* A block is full once it has done ``max_block_work``, or while an auction goes on. Nothing begins in
a full block any more: no order lapses, no lease ends, no triggered order runs, and no op may be in it. What is left
over comes first in the next block, in this order: the auction, which goes on where it stopped, triggered orders, what
the end of a block does; then what lapses, and only then ops. Ops of one block therefore never see a half of anything.

*Stops* (version 3). Trades only leave marks: the lowest and the highest price since the last time that no triggered
order was left over at the end of a block of an open pair, that block's last trade included. An order whose stop price
is at a mark or between is triggered, and goes on waiting. At the end of a block, while the pair is open and the block
is not full, the next of them runs: the buy with the lowest stop price or the sell with the highest, the first entered
of those at one price; of these two the one entered first. A new stop order that a mark has reached is refused
(``stop-would-trigger``). ``max_triggers_per_block`` is of earlier versions.

*Auctions* (version 3). Self-trades are prevented as orders come in, not when the book is uncrossed: an order that
reaches the other side's best meets the orders of its group there that its price allows, best first, as a taker whose
mode decides; if its group has more open orders than its op may still look at, none counts as looked at, and it is
``Cancelled`` (``work-limit``). One that says ``allow`` meets nobody then, and may trade with its own when the book is
uncrossed. An auction's price is found by letting the best levels meet until no more cross. A cancellation in an
auction that goes on is
refused.

*Leaving* (version 3). At the end of a block, after all else, those leave whom :mod:`gossipbook.crdt` says. Of each in
turn: open orders are ``Cancelled`` (``displaced``) in order of entry; a lease ends with ``Leased`` until 0; the author
wants to be in no group any more (``Grouped``, owner empty, 0), and admits nobody (``Grouped`` of each whom they did,
by key); then ``Left``, and their highest client order id is 0 again. Each event is a unit of work. What others wish of
them stays: who wants to be in their group goes on wanting it, and is a member again once they are admitted again.

*Text ids* (version 4). An order may carry a text of its author's own. The book does not look at it.

*Open orders* (version 3). An author may have at most one in ``BOOK_SHARE`` of ``max_open_orders_per_pair``, rounded up.

Speculation: one block at a time may be executed and rolled back exactly, by an undo log.

Bounds: open orders per author and per pair, triggers per block, work per op and block (manifest limits); members
admitted to a group (``GROUP_CAP``); slices of an iceberg (``SLICES_CAP``). Cancelled orders in the line of triggered
ones never outnumber the open ones by more than a constant (``book.LINE_SLACK``)."""

from gossipbook.compiled import choose

choose()
