"""A leader that executes the ops of its blocks in reverse instead of canonical order."""

import random
from collections.abc import Iterable
from typing import Any

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import CastVote, Propose
from gossipbook.effects import LinkId
from gossipbook.sim.adversaries.altered import altered_block, proposal_of
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles


class FrontRunner(Behaviour):
    """Proposes blocks whose events digest fits the wrong order, so that only the rule of order is broken."""

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        self._host = host
        self._manifest = roles.world.manifest
        self._lied: set[tuple[str, int, int]] = set()  # looked up, never iterated

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        if isinstance(message, Propose):
            return ((to, self._turned_round(message) or message),)
        if isinstance(message, CastVote) and (message.pair, message.vote.term, message.vote.height) in self._lied:
            return ()  # It would be a vote for the block that nobody was shown.
        return ((to, message),)

    def _turned_round(self, message: Propose) -> Propose | None:
        block = decode_block(message.block)
        assert self._host.peer is not None
        pair = self._host.peer.pairs[message.pair]
        pair.replica.proposing.__dict__["_may_go_on"] = lambda parent: False  # So that more ops come together.
        items, missing = pair.ops.resolve(tuple(reversed(block.op_ids)))
        if len(items) < 2 or missing or block.created_term != message.term:
            return None
        pair.replica.member.speculation.rollback_to(block.parent)  # Its core executes the block again when it needs to.
        state = pair.certified.newest
        if state.refusal(items, block.time_ms) is not None:
            return None  # Two ops of one author, which cannot change places.
        self._lied.add((message.pair, message.term, message.height))
        digest = pair.certified.execute(block.time_ms, items).events_digest
        pair.certified.rollback()
        turned = altered_block(block, op_ids=tuple(item.id for item in items), events_digest=digest)
        committee = Committee.of(self._manifest, self._manifest.chain_id, message.pair)
        return proposal_of(turned, message, committee, self._host.identity)
