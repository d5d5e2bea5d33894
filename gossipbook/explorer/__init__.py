"""Explore the consensus core systematically: every order of events within bounds, with no chance involved.

Four seats, of which one lies. The three honest members run the real
:class:`~gossipbook.consensus.replica.Replica` through ``handle``, with the real op set, execution, ballot and
journal format. A global state is what the three members are and what they have sent. From the first one on, every
action that is possible is taken in every state, breadth first, until no new state turns up.

**What is modelled.** What a member sent is in a pool that never shrinks: it may be delivered at any later time, to
anybody, never or many times over. Actions, each to one member: a proposal arrives; an NC, an FC or a TC arrives; a
block arrives that a certificate named and that it asked for; its round timer fires; it crashes and comes back with
what was durable. Upon each the member takes one whole turn; a turn's records are one transaction, as in both drivers.
A turn in which something is sent at once, waiting for no record, may also be torn: that leaves, nothing becomes
durable, and the member comes back.

**Which rules.** ``depth`` 0 explores the rules in which one height is in flight, 1 and more those in which a leader has
so many (sections 8 and 8a of the design). A TC is read here independently of the core, and a proposal judged by that.

**What is over-approximated.** The liar has signed everything already: an NC or FC may be delivered once q - 1
honest votes for it were sent, a TC once q - 1 members gave up the term, in which the liar may claim to be locked on
anything, or to have finalized anything, that can be proven, with whichever FC proves it. In the term that it leads it
offers to whomever it likes every block that was voted for, and two fresh ones on each tip; with several heights in
flight, on each block that was voted for or offered. Relays and requests are not followed, because whatever they lead to
may happen anyhow. Timers fire whenever the search lets them, so that a leader that stops, or whose link is gone, does
nothing new.

**What is left out.** Votes and TIMEOUTs that travel one by one (certificates come whole, so rule 8 is never what
makes a member give up), signatures that are bad, ops that are missing, blocks that execute to something else, clocks
(the clock stands still, so no op is ever overdue and no block untimely), bounds of containers. Other tests see to
those.

**Laws** (:mod:`laws`), read off what members send, none of them taken from the core: no two blocks final at one
height, told or certifiable; one PREPARE and one COMMIT to a (term, height); none in a term that was given up; a
COMMIT only where q PREPAREs of its term exist; a PREPARE only as the TC allows that was shown with the proposal; one
TIMEOUT to a term, which shows the block, or a lock at least as late, of every COMMIT before it; an honest leader's
proposals of a term are for one chain; no record after an output of the same turn that waits for records; no assertion
of the core fails, and no pair stops. With several heights in flight the PREPAREs of a term rise along one chain; the
PREPAREs under a COMMIT may be for a descendant; a TC allows what is or descends from the block that the term begins on;
and a TIMEOUT need not show a lock that something final of a later term outdated.

**Why it is fast.** What a member does next is a function of its local state and the action. Local states are
compared by value (:mod:`fingerprint` says what is left out of the value, and why), and each (local state, action)
is run by the real core once (:mod:`table`). The search itself handles triples of numbers.

**Symmetry.** Two states are one if they differ (1) in which of the honest members that lead no explored term is
which, or (2) in the names of the ops o1 and o2. Of (1): the core tells seats apart only by who leads, certificates
count alike whoever signed them, and one seat's core plays all that are alike. Of (2): the ops are alike but for
their authors, and an honest leader takes both. Neither is taken on trust: each core that is brought back into a
state by a renamed history must arrive at exactly the renamed value, and a test counts the states without symmetry
and compares. Of the TCs that bind to the same (H*, L*) one stands for all: the core reads nothing else in them.

**Merging.** With several heights in flight, states are one as well if they differ only in what is over: votes that made
their certificate or never can, TIMEOUTs and proposals that nobody can use, what a member remembers of earlier terms
(:mod:`merging` and :class:`~gossipbook.explorer.fingerprint.MergingFingerprint` say what, and why that loses no
violation). A test takes spaces without merging, and what their states count as must be exactly what merging finds.
Blocks come as soon as they are asked for, where states are merged: one that comes late has its member do later what it
could do now, and what was sent may arrive late anyhow. Spaces without merging have them come late.

**Bounds** (:class:`Configuration`). Votes at heights and terms beyond them are not delivered. ``quick`` is what CI runs
and exhausts, ``full`` goes further; what each came to is recorded in ``simulations/EXPLORER.md``.

The result depends on nothing but the configuration and the core: all numbers are given in order of discovery, and no
set is iterated in an order that matters.
"""

from gossipbook.explorer.configuration import Configuration, full, quick
from gossipbook.explorer.search import Figures, Finding, Search, SearchResult
from gossipbook.explorer.trace import trace

__all__ = ["Configuration", "Figures", "Finding", "Search", "SearchResult", "full", "quick", "trace"]
