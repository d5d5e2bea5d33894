"""Certified matching: a small committee agrees, block by block, on which ops run and what came of it.

One height in flight per pair; PREPARE and COMMIT votes, a sticky leader, and a term change that carries locks:
the shape of PBFT (Castro and Liskov 1999) with transferable certificates as in later chained protocols. With n
seats, f of them faulty and q votes to a certificate (:class:`~gossipbook.manifest.Quorum`), any two quorums
share an honest member.

Rules, as :class:`~gossipbook.consensus.replica.Replica` applies them after every event:

1. *Propose.* The leader of the term, unless it timed out or proposed here already. In a term above 0 it needs
   the TC of the term before; if that binds it to a lock on top of its own tip (L*), it proposes exactly that
   block; else a fresh one, if there are eligible ops.
2. *PREPARE* a block that sits on my tip, whose ops I hold and that are eligible in order, in canonical order,
   within limits, executes to the events digest it states, is timely by my clock if it was created in this term,
   leaves out no op that is long due. It obeys the TC that its leader shows, which need not be the one that brought
   me into the term; one that does not is not looked at. Whatever else is wrong with it, I give up the term at once.
3. *Lock* on an NC of a later term than my lock's.
4. *COMMIT* only on a lock of this very term, with the block held and executed.
5. *Finalize* on an FC of any term, in height order. An FC that contradicts my execution makes the pair
   ``faulty`` here; two FCs at one height make it ``frozen`` everywhere.
6. *Timer*: runs only while there is work; base x 2^failed terms, capped.
7. *TIMEOUT* says what I finalized and what I am locked on, with proof of both, and which ops are due. After it
   I neither PREPARE nor COMMIT in that term or any before it.
8. *Join* n-q+1 others who gave up my term.
9. *Enter* the next term on q TIMEOUTs for exactly one term (a TC).
10. *Relay* each certificate, once: a TC at once and to all, an NC or FC after a while to the members whose votes have
    not shown that they have it; a vote for a member to whom there is no link goes by the pair's topic;
    laggards are answered with blocks, FC and TC.
11. *Retransmit* identical bytes, on timer expiry or to a member whose link just came up, never otherwise.
12. *Restart* from the journal, count my own votes again, send the identical bytes again.
13. A seat whose journal was lost, restored or contradicted by votes that others hold becomes an observer.

Why it is safe: if (term, height, block) is final, q members committed while locked on it. Any TC of that term
or a later one shares an honest member with them, whose TIMEOUT came after its COMMIT and so shows the block
finalized or a lock on it at least that late; by induction the highest-term lock on the highest finalized height
is that block.

Modules: :mod:`ballot` makes every signature and is the only judge of whether it may be made; :mod:`validity` says
what is wrong with a block; :mod:`selection` what belongs in one; :mod:`canonical` in which order; :mod:`tally`
counts; :mod:`relaying` knows who lacks what I have; :mod:`catchup` asks for what is missing. :mod:`member` is the
state that the rules share; above it are :mod:`proposing` (rules 1 and 2), :mod:`finality` (3 to 5), :mod:`terms` (8
and 9), :mod:`pacing` (6 and 11) and :mod:`inbox`, which checks and files messages; :mod:`replica` on top restores,
and applies the rules until none acts.

Durable before anything leaves: the own proposal; a PREPARE with its block and op bodies; the lock before a
COMMIT; ``timed_out`` before a TIMEOUT; FC and block before events. The replica's effects list every record
ahead of every output of the same turn.

Deviations from the textbook: a TC carries one FC and one NC, those that prove its highest claims, because the
others decide nothing; no empty blocks but those that end leases, go on with what was left over, or tell the time to
whoever waits for it; and no message at all from a pair with nothing to do.

Bounds: votes remembered a seat (``tally.VOTES_PER_SEAT_CAP``), one TIMEOUT a seat, unfinalized blocks held
(``chain.BLOCKS_CAP``), ids asked for (``catchup.WANTED_CAP``), blocks a sync (``ConsensusConfig``).
"""
