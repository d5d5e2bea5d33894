"""The dialect of Binance Spot: ``/api/v3`` over HTTP, ``/ws``, ``/stream`` and ``/ws-api/v3`` over sockets.

It is for programs that speak it already. What that venue means by custody (deposits, locked balances, fees) is not
here: balances are the account's positions, and what cannot be meant is refused with a sentence that says so.
"""
