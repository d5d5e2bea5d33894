"""Fetching an order's receipt from peers, and proving it before it is handed out."""

import base64

import trio

from gossipbook.errors import GossipbookError, NoAnswer, VerifyError
from gossipbook.ids import ChainId, PublicKey
from gossipbook.receipt.format import RECEIPT_BYTES_CAP
from gossipbook.receipt.verifying import verify_receipt
from gossipbook.trade.connections import Connections
from gossipbook.trade.peer_link import MALFORMED_ANSWER, PeerLink, QueryFailed


async def fetch_receipt(
    connections: Connections, chain_id: ChainId, pair: str, author: PublicKey, client_id: int, within_s: float
) -> bytes:
    """Return a receipt's bytes, verified to be of this order in this network.

    A peer that ends or sends something else is left for another one.

    Raises:
        QueryFailed: there is nothing to prove yet, in the peer's words. NoAnswer: not within ``within_s`` seconds.
        VerifyError: what the last peer sent proves nothing, or something else, and there was no other in time.
    """
    trouble: GossipbookError = NoAnswer(f"no receipt within {within_s:g} s")
    tried: set[PeerLink] = set()
    with trio.move_on_after(within_s):
        while True:
            await connections.linked()
            link = connections.next(tried)
            assert link is not None
            tried.add(link)
            try:
                return _proven(await _read(link, pair, author, client_id), chain_id, pair, author, client_id)
            except QueryFailed:
                raise
            except VerifyError as error:
                trouble = error
                link.close(str(error))
            except GossipbookError:
                pass  # It ended, or did not answer.
            await trio.lowlevel.checkpoint()
    raise trouble


async def _read(link: PeerLink, pair: str, author: PublicKey, client_id: int) -> bytes:
    """All parts of what a peer says is the receipt."""
    raw, whole = b"", 1
    while len(raw) < whole <= RECEIPT_BYTES_CAP:
        answer = await link.query("receipt", pair, author.hex(), str(client_id), str(len(raw)))
        try:
            part, whole = base64.b64decode(answer["part"]), int(answer["bytes"])
        except MALFORMED_ANSWER:
            raise VerifyError("the peer sent something that is no receipt") from None
        if not part:
            break
        raw += part
    return raw


def _proven(raw: bytes, chain_id: ChainId, pair: str, author: PublicKey, client_id: int) -> bytes:
    proven = verify_receipt(raw, chain_id)
    if (proven.op.pair, proven.op.author, proven.client_id) != (pair, author, client_id):
        raise VerifyError("the peer sent the receipt of another order")
    return raw
