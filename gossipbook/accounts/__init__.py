"""What accounts and markets read: orders, fills, positions, trades and candles, kept from events of finalized blocks.

Upon a finalized block: each of its events changes what is kept of the orders that it names
(:mod:`~gossipbook.accounts.order_state`); each fill is a trade of the pair's, and an entry of each side's account, with
the account's sums after it; each trade is in one candle of each width (:mod:`~gossipbook.accounts.bookkeeping`).

All of it follows from the chain and from nothing else: any peer that keeps it keeps the same, and whoever doubts a row
asks for the order's receipt. A *position* is the sum of an author's certified fills, bought less sold; nothing is held
in custody, and nothing but fills moves it. Rows are found by the numbers of events, which are contiguous in each pair;
a height or a time stands for the last event up to it (:mod:`~gossipbook.accounts.asking`).

Sums have no cap: they are Python integers here, and text on disk. Bounds: what is remembered between blocks
(:data:`~gossipbook.accounts.bookkeeping.ORDERS_CAP` and its neighbours) is read again when it is not.
"""
