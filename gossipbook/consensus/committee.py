"""Who certifies a pair: fixed by the manifest and the pair's DHT key, never by anybody's routing table."""

import hashlib
import struct
from dataclasses import dataclass

from gossipbook.identity import DOMAIN_PROPOSE, DOMAIN_TIMEOUT, DOMAIN_VOTE, SignatureCheck, signed_message
from gossipbook.ids import BlockId, ChainId, Digest, PeerId, PublicKey, digest, pair_key, xor_distance
from gossipbook.limits import DEPTH_SINCE
from gossipbook.manifest import Manifest, Matcher, Quorum

PREPARE, COMMIT = 1, 2

_VOTE = struct.Struct(">BI32sQQ32s")
_TIMEOUT = struct.Struct(">I32sQQ32sQ32s")
_DEEP_TIMEOUT = struct.Struct(">I32sQQ32sQQ32s")  # by rules that let several heights be in flight


def seat_matchers(manifest: Manifest, symbol: str) -> tuple[Matcher, ...]:
    """The ``committee_size`` matchers nearest to the pair's DHT key, nearest first, within the operator cap."""
    key = pair_key(manifest.digest, symbol)
    taken: dict[str, int] = {}
    seats: list[Matcher] = []
    for matcher in sorted(manifest.matchers, key=lambda m: xor_distance(m.peer_id, key)):
        if taken.get(matcher.operator, 0) < manifest.quorum.seats_per_operator and len(seats) < manifest.committee_size:
            taken[matcher.operator] = taken.get(matcher.operator, 0) + 1
            seats.append(matcher)
    return tuple(seats)


@dataclass(frozen=True, slots=True)
class Committee:
    """The seats of one pair in one epoch, and the exact bytes that each kind of signature of theirs covers.

    Those bytes are rebuilt from fields in one fixed-width layout and never taken from the wire, so that a vote
    counted here verifies inside a certificate everywhere.

    ``depth``: how many heights of one leader may be in flight. ``is_deep``: by rules that let there be several, whether
    this network allows that or not.
    """

    chain_id: ChainId
    epoch: int
    symbol: str
    seats: tuple[Matcher, ...]
    quorum: Quorum
    genesis: BlockId
    pair_digest: Digest
    depth: int = 1
    is_deep: bool = False

    @classmethod
    def of(cls, manifest: Manifest, chain_id: ChainId, symbol: str) -> "Committee":
        pair_digest = hashlib.sha256(symbol.encode()).digest()
        genesis = digest(b"genesis", chain_id, manifest.epoch.to_bytes(4, "big"), pair_digest)
        seats = seat_matchers(manifest, symbol)
        is_deep = manifest.rules_version >= DEPTH_SINCE
        return cls(
            chain_id, manifest.epoch, symbol, seats, manifest.quorum, genesis, pair_digest, manifest.depth, is_deep
        )

    def leader(self, term: int) -> int:
        """The seat that leads a term."""
        return term % len(self.seats)

    def key(self, seat: int) -> PublicKey:
        return self.seats[seat].public_key

    def seat_of(self, public_key: PublicKey) -> int | None:
        for seat, matcher in enumerate(self.seats):
            if matcher.public_key == public_key:
                return seat
        return None

    def seat_of_peer(self, peer: PeerId) -> int | None:
        for seat, matcher in enumerate(self.seats):
            if matcher.peer_id == peer:
                return seat
        return None

    def peers(self, besides: int | None = None) -> tuple[PeerId, ...]:
        """The members' peer ids in seat order, leaving out one seat."""
        return tuple(m.peer_id for seat, m in enumerate(self.seats) if seat != besides)

    def vote_body(self, kind: int, term: int, height: int, block_id: BlockId) -> bytes:
        return _VOTE.pack(kind, self.epoch, self.pair_digest, term, height, block_id)

    def timeout_body(
        self, term: int, fin: int, fin_id: BlockId, lock_term: int | None, lock_id: BlockId, lock_height: int = 0
    ) -> bytes:
        """``lock_height`` is signed where it may be another than ``fin + 1``; 0 without a lock."""
        told_term = 0 if lock_term is None else lock_term + 1
        if self.is_deep:
            return _DEEP_TIMEOUT.pack(self.epoch, self.pair_digest, term, fin, fin_id, told_term, lock_height, lock_id)
        return _TIMEOUT.pack(self.epoch, self.pair_digest, term, fin, fin_id, told_term, lock_id)

    def propose_body(self, term: int, height: int, block_id: BlockId) -> bytes:
        return _VOTE.pack(0, self.epoch, self.pair_digest, term, height, block_id)

    def vote_check(
        self, kind: int, term: int, height: int, block_id: BlockId, seat: int, signature: bytes
    ) -> SignatureCheck:
        return self._check(DOMAIN_VOTE, self.vote_body(kind, term, height, block_id), seat, signature)

    def propose_check(self, term: int, height: int, block_id: BlockId, signature: bytes) -> SignatureCheck:
        return self._check(DOMAIN_PROPOSE, self.propose_body(term, height, block_id), self.leader(term), signature)

    def timeout_check(self, body: bytes, seat: int, signature: bytes) -> SignatureCheck:
        return self._check(DOMAIN_TIMEOUT, body, seat, signature)

    def _check(self, domain: bytes, body: bytes, seat: int, signature: bytes) -> SignatureCheck:
        return SignatureCheck(self.key(seat), signed_message(domain, self.chain_id, body), signature)
