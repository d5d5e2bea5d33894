"""A peer that forges others' signatures, and sends bytes that are no message."""

import random
from dataclasses import replace

from gossipbook.consensus.certificate import Certificate, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import Bodies, CastVote, Proof
from gossipbook.crdt.op import sign_op
from gossipbook.gossip.messages import Push
from gossipbook.ids import DIGEST_BYTES, SIGNATURE_BYTES
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.scenario.orders import FIRST_PRICE_TICKS, author_identity
from gossipbook.sim.adversaries.busy import Busy
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import encode_message

FORGED_IDS = 1_000_000


class Forger(Busy):
    """Sends forged votes, certificates and ops, or random bytes, each of which its receivers have to reject."""

    gap_us = 20_000

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        super().__init__(roles, host, rng)
        self._victim = author_identity("noise 0")
        self._number = 0

    def act(self) -> bytes:
        self._number += 1
        return (self._vote, self._certificate, self._op, self._garbage)[self._rng.randrange(4)]()

    def _vote(self) -> bytes:
        roles, rng = self._roles, self._rng
        seat = rng.randrange(len(roles.members))
        height = 1 + rng.randrange(50)
        block_id, signature = rng.randbytes(DIGEST_BYTES), rng.randbytes(SIGNATURE_BYTES)
        vote = Vote(rng.choice((PREPARE, COMMIT)), roles.term(), height, block_id, seat, signature)
        return encode_message(CastVote(roles.symbol, 0, vote))

    def _certificate(self) -> bytes:
        roles, rng = self._roles, self._rng
        signers = tuple((seat, rng.randbytes(SIGNATURE_BYTES)) for seat in range(roles.quorum))
        certificate = Certificate(COMMIT, roles.term(), 1 + rng.randrange(50), rng.randbytes(DIGEST_BYTES), signers)
        return encode_message(Proof(roles.symbol, 0, certificate))

    def _op(self) -> bytes:
        """Return an order in another author's name, with the sequence number that its next op would have."""
        roles = self._roles
        assert self._host.peer is not None
        state = self._host.peer.pairs[roles.symbol].certified.author(self._victim.public_key)
        client_id = FORGED_IDS + self._number
        place = Place(client_id, Side.SELL, OrderType.LIMIT, FIRST_PRICE_TICKS // 2, 9, TimeInForce.GTC)
        chain_id = roles.world.manifest.chain_id
        op = sign_op(self._victim, chain_id, roles.symbol, state.next_seq, state.head, (place,), 0)
        forged = replace(op, signature=self._rng.randbytes(SIGNATURE_BYTES))
        bodies = encode_message(Bodies(roles.symbol, (forged,)))
        return encode_message(Push(roles.symbol, bodies)) if self._rng.randrange(2) else bodies

    def _garbage(self) -> bytes:
        return self._rng.randbytes(self._rng.randrange(1, 200))
