"""What a client asks of peers: one question after the other, to peers in turn, of which nobody is believed.

Receipts are imported when one is first asked for: a program that only places an order starts faster without.
"""

from typing import Any

import trio

from gossipbook.errors import GossipbookError, NoAnswer
from gossipbook.ids import ChainId, PublicKey
from gossipbook.loops import require_trio
from gossipbook.manifest import Manifest
from gossipbook.trade.account_calls import Bound
from gossipbook.trade.connections import Connections
from gossipbook.trade.numbers import seconds
from gossipbook.trade.peer_link import ANSWER_S, PeerBusy, PeerLink, QueryFailed, check_question

ATTEMPT_S = 4.0
"""How long one peer has for an answer before another one is asked."""
BUSY_S = 0.05
"""How soon the next peer is asked after one that was busy, which may be the same."""


class Asker:
    """Asks the peers that are linked."""

    def __init__(self, manifest: Manifest, connections: Connections) -> None:
        self.manifest = manifest
        self.connections = connections

    @property
    def chain_id(self) -> ChainId:
        """The network's."""
        return self.manifest.chain_id

    async def query(self, what: str, *arguments: str, within_s: float = ANSWER_S) -> Any:
        """Ask a question, such as ``"status"``; the answer's JSON, decoded.

        Peers take turns, and who does not answer is passed over.

        Raises:
            QueryFailed: a peer says why it cannot answer. NoAnswer: nobody answered within ``within_s`` seconds.
        """
        require_trio("Client.query")
        self.connections.check_open()
        check_question(what, arguments)
        deadline_s = trio.current_time() + seconds("within_s", within_s)
        trouble = "no peer is linked"
        tried: set[PeerLink] = set()
        while (left_s := deadline_s - trio.current_time()) > 0:
            link = self.connections.next(tried)
            if link is None:
                with trio.move_on_after(left_s):
                    await self.connections.linked()
                continue
            tried.add(link)
            try:
                return await link.query(what, *arguments, within_s=min(left_s, ATTEMPT_S))
            except QueryFailed:
                raise
            except PeerBusy as error:
                trouble = str(error)
                await trio.sleep(BUSY_S)
            except GossipbookError as error:
                trouble = str(error)
                await trio.lowlevel.checkpoint()
        trouble = trouble if self.connections.links else self.why_unlinked()
        raise NoAnswer(f"no peer answered {what!r} within {within_s:g} s: {trouble}")

    async def query_each(self, what: str, *arguments: str, within_s: float = ANSWER_S) -> list[Any]:
        """Ask all peers that are linked now the same question at once; the answers of those who answered in time.

        Raises:
            LinkClosed: the client was closed.
        """
        require_trio("Client.query_each")
        self.connections.check_open()
        check_question(what, arguments)
        answers: list[Any] = []

        async def ask(link: PeerLink) -> None:
            try:
                answers.append(await link.query(what, *arguments, within_s=seconds("within_s", within_s)))
            except GossipbookError:
                return  # Its silence is told by its absence.

        async with trio.open_nursery() as nursery:
            for link in self.connections.up():
                nursery.start_soon(ask, link)
        return answers

    def why_unlinked(self) -> str:
        """Why no peer is linked: what became of the last address that was tried."""
        return str(self.connections.last_error or "no peer is linked")

    async def receipt(self, pair: str, author: PublicKey, client_id: int, *, within_s: float = 2 * ANSWER_S) -> bytes:
        """The receipt of an order, verified against this network: what ``gossipbook receipt verify`` checks.

        Raises:
            QueryFailed: there is nothing to prove yet, in the peer's words. NoAnswer: not in time.
            VerifyError: what the peer sent proves nothing, or something else.
        """
        from gossipbook.trade.receipts import fetch_receipt

        return await fetch_receipt(self.connections, self.chain_id, pair, author, client_id, within_s)

    async def explain(self, pair: str, author: PublicKey, client_id: int) -> dict[str, Any]:
        """What a peer knows of an order: how its op came, each event with its block, why it waits. Not proven.

        Raises:
            QueryFailed: it knows nothing of it. NoAnswer: nobody answered in time.
        """
        return dict(await self.query("explain", pair, author.hex(), str(client_id)))

    async def statement(self, author: PublicKey, *, at: Bound = "") -> dict[str, Any]:
        """An author's ``positions``: what the fills in each pair come to, up to a height or a time; and open orders.

        Not proven; each order's receipt proves what it says.

        Raises:
            QueryFailed: there is no such place in time. NoAnswer: nobody answered in time.
        """
        return dict(await self.query("statement", "", author.hex(), str(at)))
