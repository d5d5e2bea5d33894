"""Fetching an order's receipt from a peer, and proving it before it is handed out."""

import base64

import trio

from gossipbook.errors import VerifyError
from gossipbook.ids import ChainId, PublicKey
from gossipbook.receipt.format import RECEIPT_BYTES_CAP
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.trade.connections import Connections
from gossipbook.trade.peer_link import NoAnswer


async def fetch_receipt(
    connections: Connections, chain_id: ChainId, pair: str, author: PublicKey, client_id: int, within_s: float
) -> bytes:
    """Return a receipt's bytes, verified to be of this order in this network.

    Raises:
        QueryFailed: there is nothing to prove yet, in the peer's words. NoAnswer: not within ``within_s`` seconds.
        VerifyError: what the peer sent proves nothing, or something else.
    """
    with trio.move_on_after(within_s):
        link = connections.next()
        while link is None:
            await connections.linked()
            link = connections.next()
        raw, whole = b"", 1
        while len(raw) < whole <= RECEIPT_BYTES_CAP:
            answer = await link.query("receipt", pair, author.hex(), str(client_id), str(len(raw)))
            part = base64.b64decode(answer["part"])
            if not part:
                break
            raw, whole = raw + part, int(answer["bytes"])
        proven = verify_receipt(raw, chain_id)
        if (proven.op.pair, proven.op.author, proven.client_id) != (pair, author, client_id):
            raise VerifyError("the peer sent the receipt of another order")
        return raw
    raise NoAnswer(f"no receipt within {within_s:g} s")
