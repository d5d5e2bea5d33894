"""Receipts: one small file that proves what became of an order, to somebody who trusts no peer.

A receipt is about one order: (chain, pair, author, client order id), and the op that enters it. It covers every block
in which the order had an event, from the block that carries its op on. :mod:`making` puts one together from finalized
blocks and their events, :mod:`verifying` checks one. Neither needs a peer, a network, a journal or the matching engine.

The file
--------
``gossipbook receipt 1`` and a line feed; a body; the 32 bytes H("receipt", all bytes before). The body is CBOR with
one encoding for each value (:mod:`gossipbook.cbor`)::

    [manifest, client id, op, op signature, [block, …]]
    block:  [bytes, term, [[seat, signature], …], events digest before, [event, …], [sibling, …]]

``manifest`` is the canonical form whose digest is the chain id. ``op`` and ``bytes`` are what was signed and hashed.
``term`` and the votes are the block's final certificate; its height and block id are the block's own. An event is
``[kind, number, field, …]``.

A block's events digest is H("events", events digest before, Merkle root of its events), so the events shown, the
*siblings* (roots of the subtrees not shown, bottom level first, left to right) and the digest before recompute it. A
block of at most :data:`~gossipbook.receipt.format.WHOLE_EVENTS_CAP` events is shown whole. Of a longer one there are
the order's events, its first and its last: events are numbered without a gap, so those two bind the place of each.

What is checked, and why every byte counts
------------------------------------------
The digest at the end tells damage from forgery; no check relies on it, since anybody can compute it anew. Below it:

1. *Network.* The manifest is sound and in canonical form. Its digest is the chain id, which is the one that the
   verifier trusts if it names one. Committee and quorum follow from it, and from nothing else in the file.
2. *Op.* Of this chain and a pair of the manifest, signed by its author; it enters the order's client id.
3. *Blocks.* Of this chain, pair and epoch, at ascending heights, proposed by the seat that led the created term. The
   first names the op. Where heights adjoin, the parent is the block before.
4. *Certificate.* COMMIT votes of exactly q seats, ascending, all good. q and no more: a surplus vote could be
   left out, and the file would differ without saying anything else.
5. *Events.* They recompute the block's events digest. Each block has one of the order; none is shown without need.
6. *The order's life.* It begins in the first block with what the op asked for, and no event fills, cancels or amends
   what the events before it left open. From rules version 3 on an event names the order's event before it, and what it
   has filled so far: a receipt that leaves one out between two others is refused; and one that accepts the order, or
   refuses it, names the op by its sequence number. That an id was used before is no answer to an order. Event kinds
   that this version does not know end this check, not the others.

So two valid receipts of one order over the same blocks can differ only in whose votes, of which term, they carry: peers
rightly hold different certificates. Each is bound by signatures, and no byte of either can be changed.

What a receipt cannot show
--------------------------
- That the network is the right one, unless the verifier names its chain id or manifest. Anybody can make a network.
- That an open order had no event after the last one shown: what is shown as filled is filled *at least*. Once the
  events account for all of the quantity, nothing can follow.
- In networks of rules before version 3, that no event is left out in the middle: there events do not say what was
  before them, and an amend that raised the quantity may be missing, with what filled then. So what they show is *at
  least*, always. An export of the chain and ``gossipbook verify`` settle it.
- In networks of rules before version 3, which of two ops, if an author signs two with one client id into the same
  block, whatever the two ask.
- That there is no other order of the same author and client id, if its author left the pair's table since or before.
  The receipt is of the one that its op entered.

Bounds: :data:`~gossipbook.receipt.format.RECEIPT_BYTES_CAP`, :data:`~gossipbook.receipt.format.RECEIPT_BLOCKS_CAP`,
:data:`~gossipbook.receipt.format.SHOWN_EVENTS_CAP`.
"""
