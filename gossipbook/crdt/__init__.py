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

Lives (from version 3 of the rules on; :mod:`~gossipbook.crdt.stays`). An author who is not in the table may only begin
a life: with an op whose ``seq`` is a multiple of ``LIFE`` and whose ``prev`` is zero, and which expires between the
block's time and ``author_retention_ms`` after it. Whoever is in it goes on in the life of their last op. Evidence is
taken against authors of the table alone, for two ops of the life that they are in. A block lets in at most
``max_newcomers_per_block`` authors, and as many as there are places: ``max_authors_per_pair`` less those in the table
before the block. Wardens, matchers and admitted authors (*listed*) count for neither, and never leave.

Leaving (version 3), at the end of a block that is not full and has room for one more op of any kind: for two ops of
``max_op_bytes`` with their signatures (what evidence is charged, whatever its size), ``max_commands_per_op`` commands,
and one op. Nobody leaves who acts in the block, or is listed.

1. Those leave who have had nothing open for more than ``author_retention_ms``: no order, no lease, nobody whom they
   admit to their group, and no wish to be in another's, granted or not; of a frozen author orders alone count. The
   longest first, then by key; at most ``LEAVES_PER_BLOCK``. The time counts from the block that left the author so, or
   in which they acted last, being so.
2. While the table is crowded, which is having more than three quarters of its places taken, or the book, having more
   than three quarters of ``max_open_orders_per_pair``: those who acted in no block for more than
   ``author_retention_ms``, the longest first, then by key. If only the book is crowded, those whose open orders times
   ``max_authors_per_pair`` are more than ``max_open_orders_per_pair``. This ends once it has done one in
   ``DISPLACED_SHARE`` of ``max_block_work``, rounded up. Each who leaves counts before the next is looked at, in the
   table and in the book; who comes in with the block counts as in the table only from the next one on.

Either ends once the block is full; whoever has begun to leave leaves whole.

Blocks without ops (version 3): at least ``TIME_TOLD_MS`` after their parent, or where an order lapses, a lease ends, or
something was left over.

Validity of delivery depends on the op and its ancestors alone; eligibility for a block (admitted, not frozen,
next in its chain, room in the author table) on certified state alone. That is why every peer comes to the same
book from the same blocks, and to the same pending digest from the same ops, in whatever order they came.

State = book with queue order, last client order ids, author table (next_seq, head, frozen; from version 3 on since
when each is idle, and has nothing open), band reference, last block time, event counter, events digest. A block's
execution is speculative until it is final and is rolled back exactly; ``Interpretation.root`` covers all of it.
Checkpoints (a state root in every 256th block) have their place in the block format and are refused until they are
defined.

Bounds: ops, bytes and authors of the pool, parked ops an author (constants of ``op_set``), the window above
``next_seq`` and the author table (manifest), entries and bytes of a repair (constants of ``anti_entropy``). A
full pool refuses; it never evicts.
"""
