"""A pair's book for those who only read it: kept from certified events alone, checked at every step.

A consumer who is not a peer starts from a *snapshot* (the resting orders in queue order, the stop orders that wait and
those in line, and the pair's state, at a stated height) and then applies the numbered events of each finalized block.
That is enough to hold exactly the book that the engine holds, to the last queue position:

- Upon *accepted*: the order joins the back of its level with all its lots (a post-only order that slid: at the price it
  got). Whatever it takes on arrival, and whatever is left that may not rest, is taken off it by the fills and
  cancellations that follow; nobody else joins a level in between.
- Upon *fill*: the lots come off what maker and taker show; an order without open lots is gone. An iceberg that shows
  nothing any more leaves its queue until its next slice, which must come in the same block. The waiting stops whose
  stop price the trade is at or beyond join the line, by order of entry.
- Upon *sliced*: the order joins the back of its level with the lots that it shows; the others are kept beside it. It
  was out of its queue, or has just come to rest and was in it with all its lots.
- Upon *cancelled*, *expired*: ``qty_lots`` come off; what is open afterwards is in the event. Both count what is
  hidden. If something is left, it was a self-trade's decrement, which takes off what is shown.
- Upon *amended*: the same price and no more open lots (with the hidden ones) than before keeps the place, and hidden
  lots go first; anything else goes to the back, with all its lots shown until a slice says otherwise. A stop that waits
  goes on waiting, at the back of its kind unless it was such a reduction; one in line keeps its place.
- Upon *stop-accepted*: the order waits. Upon *triggered*: it is the next in line, and enters as upon *accepted*.
- Upon *pair-state*: the pair is in that state. In an auction, and when one is halted, a book may be crossed.
- *rejected*, *frozen*, *uncrossed*, *leased*, *lease-ended* and *grouped* change nothing in the book; the fills and
  cancellations that they bring are events of their own.

**Sequence.** The ``sequence`` of a book is the number of the last event in it. Events are numbered from 1 over the
whole chain of a pair, without a gap, and so are heights. An update takes a book from ``previous`` to ``sequence``
by the events ``previous + 1 .. sequence`` of one block, so that arithmetic alone tells a gap: ``previous`` must be the
sequence that one has, the first event's number must be one more, and the height one more than the last (a block may
hold no event at all: then ``sequence == previous``). A snapshot is an update from the empty book, whose sequence is 0.

**Checks.** ``checksum.book_checksum`` is a CRC-32 over the top ten levels, ``checksum.book_digest`` a SHA-256 over all
resting orders in queue order, both of what is shown; ``checksum.unseen_digest`` is over the rest: what icebergs hide,
waiting stops, the line, the state and the last trade's price. A peer states the first after every block, and the other
two after every block of a small book. They tell that what came over the link is what the peer holds. They prove nothing
about the peer: certificates do.

Upon anything that does not fit, a :class:`~gossipbook.books.follower.Follower` throws its book away and asks for a
snapshot: it never shows a book that it could not check.

Modules: ``l3`` (by order), of ``queues``, ``waiting`` (stops) and ``changes`` (what an update says), ``levels`` (L2
aggregated, L1 top), ``checksum``, ``snapshot``, ``follower``. All pure.

Adding a kind of event: a method of :class:`~gossipbook.books.l3.L3Book` and its line in the table ``HANDLERS`` below
it. An unknown kind raises :class:`~gossipbook.books.l3.UnknownEvent`, so that a book is never wrong in silence.
Adding something outside the queues that later events refer to, as to a stop's side or an iceberg's reserve: a kind of
row in ``snapshot``, which ``book_rows`` writes of the engine's and of a consumer's book, and ``L3Book.of_snapshot``
reads.
"""
