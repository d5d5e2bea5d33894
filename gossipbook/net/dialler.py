"""Whom to dial, and when: committee members first, then enough peers of the followed pairs.

Addresses come from the DHT's provider records, from the manifest and from the settings. They are hints: the
handshake says who really is there. A failed address is left alone for a while, doubling from one second.
"""

from collections.abc import Iterable

import trio

from gossipbook.ids import PeerId
from gossipbook.net.address import Address
from gossipbook.ordered import BoundedDict

KNOWN_PEERS_CAP = 2_048
ADDRESSES_PER_PEER_CAP = 8
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class AddressBook:
    """Addresses by peer id, and which of them to leave alone until when."""

    def __init__(self) -> None:
        self._addresses: BoundedDict[PeerId, tuple[Address, ...]] = BoundedDict(KNOWN_PEERS_CAP)
        self._pauses: BoundedDict[Address, tuple[float, float]] = BoundedDict(4 * KNOWN_PEERS_CAP)
        self._anonymous: dict[Address, None] = {}

    def learn(self, peer: PeerId, addresses: Iterable[Address]) -> None:
        """What somebody says about where a peer is; the newest word comes first."""
        known = self._addresses.get(peer) or ()
        merged = tuple(dict.fromkeys([*addresses, *known]))[:ADDRESSES_PER_PEER_CAP]
        if merged != known:
            self._addresses[peer] = merged

    def set_anonymous(self, addresses: Iterable[Address]) -> None:
        """The addresses in the settings, whose peers are not known yet."""
        self._anonymous = dict.fromkeys(addresses)

    def peers(self) -> list[PeerId]:
        return list(self._addresses)

    def addresses(self, peer: PeerId) -> tuple[Address, ...]:
        return self._addresses.get(peer) or ()

    def ready(self, peer: PeerId) -> Address | None:
        """An address of a peer that may be tried now."""
        for address in self._addresses.get(peer) or ():
            if self._due(address):
                return address
        return None

    def ready_anonymous(self) -> list[Address]:
        return [address for address in self._anonymous if self._due(address)]

    def failed(self, address: Address) -> None:
        """Leave an address alone for twice as long as the last time."""
        _, pause_s = self._pauses.get(address) or (0.0, FIRST_PAUSE_S / 2)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._pauses[address] = (trio.current_time() + pause_s, pause_s)

    def worked(self, address: Address) -> None:
        self._pauses.pop(address)
        self._anonymous.pop(address, None)

    def _due(self, address: Address) -> bool:
        pause = self._pauses.get(address)
        return pause is None or trio.current_time() >= pause[0]
