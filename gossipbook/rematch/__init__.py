"""Runs a certified chain's ops again, in the same blocks and order, under another matching rule.

The engine is the network's own (:mod:`gossipbook.matching` has the rule book): the same refusals in the same order,
the same time in force, amends, icebergs, stops, leases, groups, states, self-trade prevention and price band. Only who
trades with whom, and at which price, is the rule's:

``price-time``
    The network's own rule. It must come to exactly the fills that were certified, and each run checks that it does:
    what differs under another rule is then the rule's doing.

``pro-rata``
    Best price first; within a price, in proportion to what each order shows. An order that takes ``q`` lots from a
    level of ``t`` lots gives each resting order floor(q · shown / t). What rounding leaves over goes to the earliest
    orders, as far as they show it. Slices that follow are shared in the same way. Own orders and those of the taker's
    group get no share: the taker meets them once the others of the level are used up, earliest first, under its
    self-trade mode. Fill-or-kill and minimum quantities look at levels in the same way. Auctions are the network's.

``batch-auction``
    Each block is one call auction, as the network holds one to open a pair, price and all. Orders enter in the block's
    order without matching; at its end, after the line of triggered orders, all that can trade does, at one price.
    What the auction triggers enters with the next block. Immediate orders live for the one auction. A fill-or-kill
    that would not be filled whole, and an order that would get less than its minimum quantity, is taken out, the last
    to enter first, and the auction is held again. Post-only, and a slide, look at the book as it is at the order's
    turn. A pair that is halted, or in an auction of its own, at the end of a block has none; a pair that opens is part
    of its block's.

Under another rule work is not bounded, and stops trigger trade by trade, as in version 2 of the network's rules.

Between rules everything else is held equal, which it would not be: whoever had traded under another rule would have
sent other orders. The answer is about these orders.

What is compared: fills, volume, prices; and for each author what was bought and sold, and the gain: cash that
came in less cash that went out, and the position left over at the last certified price, in ticks times lots. Gains
of all authors add up to nothing.

Nothing here verifies an export: ``gossipbook verify`` does.

Bounds: the book holds what the manifest lets a pair hold; tallies grow with the orders that were filled. A batch
auction is held at most once more than its block has fill-or-kill orders and minimum quantities.
"""
