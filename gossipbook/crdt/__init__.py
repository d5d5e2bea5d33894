"""A pair's book as an op-based CRDT.

What is replicated is a grow-only set of signed ops plus the certified chain, whose blocks name ops. The book is
a deterministic interpretation of the two. Adding an op commutes, is idempotent and associative; nothing that
depends on the book decides whether an op may be added.

Upon an op whose signature is good (:mod:`~gossipbook.crdt.op_set`) below the author's certified ``next_seq``:
    ignore it, without penalty. Next in its author's chain: accept it, and whatever parked ops it connects.
    Beyond a gap: park it. A second id for one sequence number: keep the two smallest ids as evidence; the
    author's main chain ends below the fork.
Upon a finalized block (:mod:`~gossipbook.crdt.interpretation`) expire what lapsed, then run evidence and ops in
    the block's order. A command that the rules of matching refuse is an event with a reason, not an error. An
    op past its expiry has its places and non-reducing amends refused; its cancels run. Evidence freezes its
    author and cancels their orders.
Upon a STATUS with equal height and tip but another pending digest (:mod:`~gossipbook.crdt.anti_entropy`)
    exchange frontiers, at most once a heartbeat and with one peer, and send exactly what is missing.

Validity of delivery depends on the op and its ancestors alone; eligibility for a block (admitted, not frozen,
next in its chain, room in the author table) on certified state alone. That is why every peer comes to the same
book from the same blocks, and to the same pending digest from the same ops, in whatever order they came.

State = book with queue order, last client order ids, author table (next_seq, head, frozen), band reference,
last block time, event counter, events digest. A block's execution is speculative until it is final and is
rolled back exactly; ``Interpretation.root`` covers all of it. Checkpoints (a state root in every 256th block)
have their place in the block format and are refused until they are defined.

Bounds: ops, bytes and authors of the pool, parked ops an author (constants of ``op_set``), the window above
``next_seq`` and the author table (manifest), entries and bytes of a repair (constants of ``anti_entropy``). A
full pool refuses; it never evicts.
"""
