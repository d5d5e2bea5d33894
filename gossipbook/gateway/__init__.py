"""The gateway: HTTP and WebSocket in front of the network, for any language, trading tool and browser.

It is a client of the network like any other, with fail-over, and no peer believes it more than a client. It may hold
*accounts*: each is a wallet's key file and API keys, and whoever has an API key with the scope for it trades with that
wallet (:mod:`~gossipbook.gateway.accounts`). Ops that were signed elsewhere need no account.

Nothing at a gateway decides: what it tells is certified, and says so, or is pending, and says so.
"""
