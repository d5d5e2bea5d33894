"""What if: a certified chain's ops once more, in the same blocks and order, under another rule of matching.

The book of this package takes the certified commands as the peers' engine does: the same refusals in the same order,
the same time in force, amends, self-trade prevention and price band (:mod:`gossipbook.matching` has the rule book).
Only who trades with whom, and at which price, is the rule's:

``price-time``
    The network's own rule. It must come to exactly the fills that were certified, and each run checks that it does:
    what differs under another rule is then the rule's doing.

``pro-rata``
    Best price first; within a price, in proportion. An order that takes ``q`` lots from a level of ``t`` lots gives
    each resting order floor(q · open / t). What rounding leaves over goes to the earliest orders, as far as they are
    open. Own orders get no share: the taker meets them once the others of the level are used up, earliest first,
    under its self-trade mode. Fill-or-kill looks at levels in the same way.

``batch-auction``
    Each block is one call auction. Orders enter in the block's order without matching; at its end all that can trade
    does, at one price: that of the largest volume; among several, that of the smallest surplus; if buys are then left
    over at all of them, the highest, if sells are, the lowest; else the nearest to the last trade's price, without one
    the floor of the midpoint. Both sides are paired by price, then time. When two orders of one author meet, the later
    one's self-trade mode decides, and the price stays. Immediate orders live for the one auction; a fill-or-kill that
    would not be filled whole is taken out, the last to enter first, and the auction is held again. Post-only looks at
    the book as it is at the order's turn.

Between rules everything else is held equal, which it would not be: whoever had traded under another rule would have
sent other orders. The answer is about these orders.

What is compared: fills, volume, prices; and for each author what was bought and sold, and the gain: cash that
came in less cash that went out, and the position left over at the last certified price, in ticks times lots. Gains
of all authors add up to nothing.

Commands that are not known here end a run with a reason. Nothing here verifies an export: ``gossipbook verify`` does.

Bounds: the book holds what the manifest lets a pair hold; tallies grow with the orders that were filled.
"""
