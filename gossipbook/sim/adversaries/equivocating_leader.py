"""A leader that proposes one block to some members and another one to the rest, and votes for both."""

import random
from collections.abc import Iterable
from typing import Any

from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.certificate import Vote
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import CastVote, Propose
from gossipbook.effects import LinkId
from gossipbook.identity import DOMAIN_VOTE
from gossipbook.ids import BlockId
from gossipbook.ordered import BoundedDict
from gossipbook.sim.adversaries.altered import altered_block, proposal_of
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles

TWINS_CAP = 256


class EquivocatingLeader(Behaviour):
    """Proposes two blocks that differ by one millisecond in time, and so in id, to two groups of members."""

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        self._host = host
        self._chain_id = roles.world.manifest.chain_id
        self._manifest = roles.world.manifest
        self._fooled = {peer.peer_id for peer in roles.members if rng.randrange(2)}
        self._other: BoundedDict[BlockId, Block] = BoundedDict(TWINS_CAP)

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        if isinstance(message, Propose):
            other: Any = self._other_proposal(message)
        elif isinstance(message, CastVote):
            other = self._other_vote(message)
        else:
            return ((to, message),)
        if other is None:
            return ((to, message),)
        fooled = tuple(link for link in to if link in self._fooled)
        rest = tuple(link for link in to if link not in self._fooled)
        return ((rest, message), (fooled, other))

    def _other_proposal(self, message: Propose) -> Propose | None:
        block = decode_block(message.block)
        if block.created_term != message.term or block.proposer != self._host.identity.public_key:
            return None  # Bound to another's block: a change would show at once.
        below = self._other.get(block.parent)
        parent = block.parent if below is None else below.id
        other = altered_block(block, time_ms=block.time_ms + 1, parent=parent)
        self._other[block.id] = other
        return proposal_of(other, message, self._committee(message.pair), self._host.identity)

    def _other_vote(self, message: CastVote) -> CastVote | None:
        vote = message.vote
        other = self._other.get(vote.block_id)
        if other is None:
            return None
        body = self._committee(message.pair).vote_body(vote.kind, vote.term, vote.height, other.id)
        signature = self._host.identity.sign(DOMAIN_VOTE, self._chain_id, body)
        return CastVote(
            message.pair, message.epoch, Vote(vote.kind, vote.term, vote.height, other.id, vote.seat, signature)
        )

    def _committee(self, pair: str) -> Committee:
        return Committee.of(self._manifest, self._chain_id, pair)
