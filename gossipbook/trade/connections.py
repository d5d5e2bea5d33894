"""Keeps a client linked: to its entry peer and one more, to the leaders of its pairs, to whoever else is needed.

Addresses are hints, from the caller, the manifest, the peers themselves or the DHT; the handshake says who really is
there. One that failed is left alone for a while, doubling from a quarter of a second.
"""

import itertools
from collections.abc import Callable, Collection, Iterable

import trio

from gossipbook.errors import ConfigError, GossipbookError, HandshakeError, LinkClosed
from gossipbook.identity import Identity
from gossipbook.ids import ChainId, PublicKey
from gossipbook.net.address import Address, parse_address
from gossipbook.ordered import BoundedDict
from gossipbook.trade.peer_link import PeerLink, dial_peer

CLOSED = "the client or peer was closed"
LINKS_LEAST = 2
"""The entry peer and one more."""
LINKS_CAP = 16
ADDRESSES_CAP = 256
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
STEADY_S = 10.0
"""A link that lived for less counts as failed: who lies and is left is not dialled again at once."""
LOOK_S = 0.25


class Connections:
    """A client's live links, and the dialling that keeps them up."""

    def __init__(
        self,
        chain_id: ChainId,
        identity: Identity,
        addresses: Iterable[str],
        own_key: PublicKey | None,
        on_up: Callable[[PeerLink], None],
        on_down: Callable[[PeerLink], None],
        *,
        least: int = LINKS_LEAST,
    ) -> None:
        self._chain_id = chain_id
        self._identity = identity
        self._own_key = own_key
        self._on_up, self._on_down = on_up, on_down
        self._given: dict[Address, PublicKey | None] = {}  # never forgotten, whatever peers name
        self._named: BoundedDict[Address, PublicKey | None] = BoundedDict(ADDRESSES_CAP)
        self._pauses: BoundedDict[Address, tuple[float, float]] = BoundedDict(ADDRESSES_CAP)
        self._dialling: dict[Address, None] = {}
        self._turn = itertools.count()
        self._wake = trio.Event()
        self.links: dict[PublicKey, PeerLink] = {}
        self._closed = False
        self.least = least
        self.searching = False  # whether addresses may come that are not known yet
        self.wanted: dict[PublicKey, None] = {}  # who should be linked, whoever else is
        self.last_error: GossipbookError | None = None
        self.changed = trio.Event()
        for address in addresses:
            self._given[parse_address(address)] = None

    # -- what is known ------------------------------------------------------------------------------

    def give(self, address: str, public_key: PublicKey) -> None:
        """Note an address out of the manifest, and whose it is.

        Raises:
            ConfigError: it is no address.
        """
        self._given[parse_address(address)] = public_key

    def learn(self, address: str, public_key: PublicKey) -> None:
        """Note an address that somebody names, and whose it is said to be.

        Whose a given address is, only the handshake says: who lies could keep it from being dialled.

        Raises:
            ConfigError: it is no address.
        """
        parsed = parse_address(address)
        if parsed not in self._given:
            self._named[parsed] = public_key

    def want(self, keys: Iterable[PublicKey]) -> None:
        """Link to these peers as well, if an address of theirs is known."""
        for key in keys:
            if len(self.wanted) < LINKS_CAP - LINKS_LEAST:
                self.wanted[key] = None
        self.stir()

    def stir(self) -> None:
        """Look at once whether a link is missing."""
        self._wake.set()

    # -- using --------------------------------------------------------------------------------------

    def up(self) -> list[PeerLink]:
        """The live links, the longest-lived first."""
        return list(self.links.values())

    def next(self, tried: Collection[PeerLink] = ()) -> PeerLink | None:
        """A live link for a question: they take turns, the own peer first of all, those that were tried last."""
        links = [link for link in self.up() if link not in tried] or self.up()
        own = next((link for link in links if link.own), None)
        return own or (links[next(self._turn) % len(links)] if links else None)

    async def linked(self) -> None:
        """Until there is a link.

        Raises:
            LinkClosed: the client was closed.
        """
        while not self.links:
            self.check_open()
            await self.changed.wait()
        self.check_open()

    def check_open(self) -> None:
        """Raises LinkClosed if the client was closed."""
        if self._closed:
            raise LinkClosed(CLOSED)

    def close(self) -> None:
        """Let nobody wait for a link any more."""
        self._closed = True
        self._say()

    # -- keeping ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep linked until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                for address in self._due():
                    self._dialling[address] = None
                    nursery.start_soon(self._keep, address)
                self._wake = trio.Event()
                with trio.move_on_after(LOOK_S):
                    await self._wake.wait()

    def is_short(self) -> bool:
        """Whether there are fewer links than there should be."""
        return len(self.links) < self.least

    def failed_all(self) -> bool:
        """Whether every address was tried in vain, none is being dialled, and no other is looked for."""
        if self.searching:
            return False
        return not self.links and not self._dialling and all(address in self._pauses for address in self._known())

    def _due(self) -> list[Address]:
        """The addresses to dial now."""
        linked = {parse_address(link.address) for link in self.links.values()}
        known = self._known()
        ready = [a for a in known if a not in linked and a not in self._dialling and self._rested(a)]
        missing = [key for key in self.wanted if key not in self.links]
        first = [address for address in ready if known[address] in missing]
        short = self.least - len(self.links) - len(self._dialling) - len(first)
        others = [a for a in ready if a not in first and (known[a] is None or known[a] not in self.links)]
        room = max(LINKS_CAP - len(self.links) - len(self._dialling), 0)
        return [*first, *others[: max(short, 0)]][:room]

    def _known(self) -> dict[Address, PublicKey | None]:
        return self._given | dict(self._named.items())

    def _rested(self, address: Address) -> bool:
        pause = self._pauses.get(address)
        return pause is None or trio.current_time() >= pause[0]

    async def _keep(self, address: Address) -> None:
        """Dial an address, and hold the link for as long as it lives."""
        try:
            async with dial_peer(str(address), self._chain_id, self._identity, self._own_key) as link:
                del self._dialling[address]
                await self._hold(address, link)
        except* GossipbookError as group:
            self._failed(address, group)
        finally:
            self._dialling.pop(address, None)
            self._say()

    async def _hold(self, address: Address, link: PeerLink) -> None:
        key = link.public_key
        known = self._given if address in self._given else self._named
        known[address] = key
        if key in self.links:
            return  # A second address of a peer that is linked.
        if not link.proves:
            self.last_error = HandshakeError(
                "wrong-version", f"the peer at {address} does not serve proofs: upgrade it"
            )
            self._pause(address)
            return
        self.links[key] = link
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            try:
                self._on_up(link)
                self._say()
                await link.wait_closed()
            finally:  # The channel may take its time to close.
                del self.links[key]
                if trio.current_time() - began_s >= STEADY_S:
                    self._pauses.pop(address)
                self._pause(address)
                self.last_error = LinkClosed(f"{address}: {link.closed_reason or 'closed here'}")
                self._on_down(link)
                self._say()

    def _failed(self, address: Address, group: BaseExceptionGroup[GossipbookError]) -> None:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, GossipbookError)
        self.last_error = error
        self._pause(address)

    def _pause(self, address: Address) -> None:
        _, pause_s = self._pauses.get(address) or (0.0, FIRST_PAUSE_S / 2)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._pauses[address] = (trio.current_time() + pause_s, pause_s)

    def _say(self) -> None:
        self.changed.set()
        self.changed = trio.Event()
        self.stir()


def checked_addresses(addresses: str | Iterable[str]) -> list[str]:
    """One address or several, each checked.

    Raises:
        ConfigError: one of them is no address, or there is none.
    """
    listed = [addresses] if isinstance(addresses, str) else list(addresses)
    for address in listed:
        parse_address(address)
    if not listed:
        raise ConfigError("addresses: name at least one peer, as ws://host:port or wss://host:port")
    return listed
