"""How far others have come: what certificates prove, and what peers merely say.

What is said costs nobody anything, so it is good for one question only: whom to ask for blocks. A peer that was asked
and did not answer in time is not asked for a while, unless a certificate proves that there are more blocks and there is
nobody else. Members come first: there are few, and no stranger can be one.
"""

from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict

PEERS_CAP = 256
MUTE_MS = 10_000
"""How long a peer is not asked that did not answer; a guess: ten times the time it had."""


class Heights:
    """Heights by peer. ``members``: the pair's committee."""

    def __init__(self, members: tuple[PeerId, ...]) -> None:
        self.proven = 0
        self._said: dict[bool, BoundedDict[PeerId, int]] = {True: BoundedDict(PEERS_CAP), False: BoundedDict(PEERS_CAP)}
        self._mute: BoundedDict[PeerId, int] = BoundedDict(PEERS_CAP)  # until when
        self._members = frozenset(members)
        self._turn = 0

    def says(self, peer: PeerId, height: int) -> None:
        """A peer states its height, which takes back whatever it said before."""
        self._said[peer in self._members][peer] = height

    def said(self, peer: PeerId) -> int | None:
        """What a peer stated or showed last; None if that is not remembered."""
        return self._said[peer in self._members].get(peer)

    def shows(self, peer: PeerId, height: int) -> None:
        """Something that a peer passed on is of a height that there is only once ``height`` is finalized."""
        known = self.said(peer)
        if known is None or height > known:
            self.says(peer, height)

    def proves(self, peer: PeerId, height: int) -> None:
        """A peer brought a certificate that a height is finalized."""
        self.proven = max(self.proven, height)
        self.shows(peer, height)

    @property
    def furthest(self) -> int:
        """The greatest height that is proven, or that somebody says to have."""
        return max((height for said in self._said.values() for height in said.values()), default=self.proven)

    def mute(self, peer: PeerId, timer_ms: int) -> None:
        """A peer did not answer in time: what it said is not to be had from it."""
        self._said[peer in self._members].pop(peer)
        self._mute[peer] = timer_ms + MUTE_MS

    def whom_to_ask(self, fin: int, timer_ms: int, prefer: PeerId | None) -> PeerId | None:
        """Somebody who says to have more than ``fin``; None if there is nobody worth a question."""
        quiet = {peer for peer, until_ms in self._mute.items() if timer_ms < until_ms}
        for among_members in (True, False):
            ahead = [peer for peer, height in self._said[among_members].items() if height > fin]
            chosen = self._one_of([peer for peer in ahead if peer not in quiet], prefer)
            if chosen is not None:
                return chosen
        if self.proven <= fin:
            return None
        return self._one_of([p for said in self._said.values() for p, height in said.items() if height > fin], prefer)

    def _one_of(self, peers: list[PeerId], prefer: PeerId | None) -> PeerId | None:
        if prefer in peers or not peers:
            return prefer if peers else None
        self._turn += 1
        return peers[self._turn % len(peers)]
