"""Certified matching: a small committee agrees, block by block, on which ops run and what came of it.

PREPARE and COMMIT votes, a sticky leader, and a term change that carries locks: the shape of PBFT (Castro and Liskov
1999) with transferable certificates as in later chained protocols. A leader has up to ``depth`` heights in flight, each
block a child of the one before; networks of rules below version 5 have one. With n seats, f of them faulty and q votes
to a certificate (:class:`~gossipbook.manifest.Quorum`), any two quorums share an honest member.

Words: a block *descends from* its parent, from what that descends from, and from itself. A lock is the NC of the
highest (term, height) above the finalized one.

Rules, as :class:`~gossipbook.consensus.replica.Replica` applies them after every event:

1. *Propose.* The leader of the term, unless it timed out. It begins on the term's *base*: in term 0 the genesis, else
   what the TC of the term before shows: the highest lock (L*), if its height is above the highest finalized one (H*)
   and its term no lower than that of the FC that shows H*, and else the block at H*. L* is proposed again exactly as
   it is. Then come fresh children, each of the last one, if there are eligible ops that the blocks under it have not
   taken, up to ``depth`` above the finalized height and as much as one full block in all.
2. *PREPARE* a block that descends from my tip, from the base of the TC that its leader shows (which need not be the
   TC that brought me into the term), and from what I prepared last in the term; whose ancestors and ops I hold, whose
   ops are eligible in order, in canonical order, within limits; which executes to the events digest it states, is
   timely by my clock if it was created in this term, and leaves out no op that is long due. An ancestor of this term
   that I did not prepare passes the same, unless there is an NC above it. What does not obey the TC is not looked at.
   Whatever else is wrong with it, I give up the term at once.
3. *Lock* on an NC of a higher (term, height) than my lock's, of no later term than mine and no earlier one than my
   FC's.
4. *COMMIT* to all that my lock descends from, lowest first, only if it is of this very term and they are executed.
5. *Finalize* on an FC of any term, in height order. It drops a lock up to its height, or of an earlier term. An FC
   that contradicts my execution makes the pair ``faulty`` here; two FCs at one height make it ``frozen`` everywhere.
6. *Timer*: runs only while there is work; base x 2^failed terms, capped. Shorter for a leader whose link is gone.
7. *TIMEOUT* says what I finalized and what I am locked on, with proof of both, and which ops are due. After it I
   neither PREPARE nor COMMIT in that term or any before it.
8. *Join* n-q+1 others who gave up my term, or its leader.
9. *Enter* the next term on q TIMEOUTs for exactly one term (a TC).
10. *Relay* each certificate, once: a TC at once and to all, an NC or FC after a while to the members whose votes have
    not shown that they have it; a vote for a member to whom there is no link goes by the pair's topic; laggards are
    answered with blocks, FC and TC.
11. *Retransmit* identical bytes, on timer expiry or to a member whose link just came up, never otherwise.
12. *Restart* from the journal, count my own votes again, send the identical bytes again. Give up a term that I lead
    and may have proposed in.
13. A seat whose journal was lost, restored or contradicted by votes that others hold becomes an observer.

Why it is safe: the votes of one member in a term rise along one chain, so two NCs of a term share an honest voter, and
one descends from the other. If (term s, height h, block b) is final, q members committed to it while locked on what
descends from it. Any TC of s or later shares an honest member with them, whose TIMEOUT came after its COMMIT and so
shows h finalized or a lock at least as high; by induction every base of a term above s descends from b. A lock that is
older than the FC beside it cannot be that one: whoever committed to what that FC made final would show more.

Modules: :mod:`ballot` makes every signature and is the only judge of whether it may be made; :mod:`validity` says
what is wrong with a block; :mod:`selection` what belongs in one; :mod:`canonical` in which order; :mod:`tally`
counts; :mod:`relaying` knows who lacks what I have; :mod:`catchup` asks for what is missing. :mod:`member` is the
state that the rules share; above it are :mod:`proposing` (rules 1 and 2), :mod:`finality` (3 to 5), :mod:`terms` (8
and 9), :mod:`pacing` (6 and 11) and :mod:`inbox`, which checks and files messages; :mod:`replica` on top restores,
and applies the rules until none acts.

Durable before anything leaves: that I propose in a term, before the first proposal; a PREPARE with its block, what that
descends from, and op bodies; the lock before a COMMIT; ``timed_out`` before a TIMEOUT; FC and block before events. The
replica's effects list every record ahead of every output of the same turn; further proposals wait for none.

Deviations from the textbook: a TC carries one FC and one NC, those that prove its highest claims, because the
others decide nothing; no empty blocks but those that end leases, go on with what was left over, or tell the time to
whoever waits for it; and no message at all from a pair with nothing to do.

Bounds: votes remembered a seat (``tally.VOTES_PER_SEAT_CAP``), one TIMEOUT a seat, unfinalized blocks held
(``chain.BLOCKS_CAP``), ids asked for (``catchup.WANTED_CAP``), blocks a sync (``ConsensusConfig``).
"""
