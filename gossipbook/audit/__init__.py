"""The independent verifier: are these exports of a network's chains what they claim to be?

A peer exports each pair's finalized chain as a text file (:mod:`~gossipbook.audit.writer`); anybody can check one
or many of them (:func:`verify_exports`) without a network, a journal, or trust in the peer. The checks are written
anew from the protocol's rules and share nothing with the code that they judge: of the package they use the
encoding, the digests, one signature check, the manifest, and the slow engine of :mod:`gossipbook.audit.oracle`.
Only the writer, which no check imports, uses the peer's own code. What the files themselves cannot show is said
under *Not shown* below.

What is checked, and by which rule
----------------------------------
*Header.* The manifest is whole, its digest is the chain id (epoch 0's manifest names the chain), and the pair is one
of its pairs. All exports are of one network; given a manifest, of that one.

*Block.* Id = H("block", bytes). Chain id, epoch and pair are the header's; heights run from 1 without a gap; the
parent is the id of the block before, height 1's the genesis H("genesis", chain id, epoch, SHA-256(symbol)); the
time is above the parent's; the proposer is seat ``created term mod n``; the ops are within the manifest's block
limits (from version 3 on evidence counts as two ops of the largest size, and there are no more ops than the block's
work has room for). A block without ops has something to do all the same: a lease ran out before its time, or triggered
orders are in line and the pair is open; from version 3 on also if something else was left over, an order lapses, or a
second has passed since its parent.

*Committee and certificate.* The seats are the ``committee_size`` matchers nearest by XOR to the pair's key, at most
max(1, f) an operator. A certificate holds at least q votes of distinct seats, ascending, for this block's id and
height, of a term not below the block's. A vote signs "vote" padded to 8 bytes, the chain id, and (kind u8 = 2 for
COMMIT, epoch u32, SHA-256(symbol), term u64, height u64, block id), big-endian.

*Op.* Id = SHA-256 of the signed bytes, which decode to an op of this chain and pair with commands that exist, in
their one encoding; of version 2 only where the manifest has rules version 2; the author's signature is good. Evidence
is two different good ops of one author and sequence number, smaller id first. Its id is H("evidence", author); where
the author is in another life than the first, H("evidence", author, life u64).

*Eligibility.* An author is admitted, not frozen, and within the author table; an op's seq and prev follow the
author's last; no op appears twice. Evidence freezes its author. From version 3 on authors come with a life's first op,
in its time, no more in a block than may, and leave: the rules are those of :mod:`gossipbook.crdt`.

*Canonical order.* Evidence by author; then ops by class, within a class round robin, authors ranked by
SHA-256(parent ‖ author ‖ round).

*Events.* The oracle executes the ops (void where block time is above a nonzero expiry) and must arrive at exactly
the events that are listed, numbered without a gap, and, through Merkle root and chained digest, at the block's
events digest.

*Ledger.* Independent of the oracle, from the listed events alone: no order fills beyond what it has open and shows,
fills are within both limits and between authors of different groups, and total = filled + open + cancelled + expired
for each order, always. A stop order does not trade before it is triggered, nor is it triggered before a trade at its
stop price or beyond. Nothing trades while the pair is not open, but when an auction ends: its fills are at one price
and come to the volume that it found. Leases end when they have run out, and not before. At the end of the chain what
is open, shown, waiting, in line and leased by the ledger is so in the oracle's book.

*Between exports of a pair.* One block a height; a shorter chain is a prefix of the longest. Signer sets may differ,
and each is checked.

*Acks.* Each acked op is in the certified chain, at the height acked if one was named.

Verdicts: ``valid``; ``invalid`` with reasons; ``unknown`` if nothing is wrong but nothing happened either: no
block, or no fill.

*Not shown.* That the manifest is the network's real one, unless the caller brings it; that blocks beyond the end of
all the exports exist; that no other committee member signed something else, unless one of the exports shows it.

Reading is streamed: all exports of a pair are read abreast, a chunk of heights at a time; what stays in memory is
the pair's book, its author table, its open orders, and one id with its height for each block and op. A line is at
most :data:`~gossipbook.audit.export.MAX_LINE_BYTES` long, and at most :data:`~gossipbook.audit.report.MAX_REASONS`
reasons are kept.
"""

from gossipbook.audit.report import Report, Verdict
from gossipbook.audit.verify import verify_exports

__all__ = ["Report", "Verdict", "verify_exports"]
