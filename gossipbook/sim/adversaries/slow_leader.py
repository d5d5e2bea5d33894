"""A leader who keeps to every rule that it is held to, and serves others as little as that allows."""

import random
from types import MethodType
from typing import Any

from gossipbook.client_messages import Submit
from gossipbook.consensus.block import Block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.proposing import Proposing
from gossipbook.effects import Now
from gossipbook.ids import BlockId
from gossipbook.matching.commands import TimeInForce
from gossipbook.sim.adversaries.stranger import StrangeAuthor, say, small_order
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import encode_message

GAP_US = 50_000
LAST_MOMENT_MS = 1_000
"""How long before an op is due it is taken."""
PATIENCE_SHARE = 0.9
"""How much of a round passes before a block is proposed."""


class SlowLeader(Behaviour):
    """Fills its blocks with an accomplice's ops, one each as late as it may, and takes others' at the last moment."""

    def __init__(self, roles: HostRoles, host: Host, rng: random.Random) -> None:
        self._roles = roles
        self._host = host
        self._accomplice = StrangeAuthor(roles, f"accomplice {host.index}")
        self._on = False
        self._patched: list[Proposing] = []

    def begin(self) -> None:
        self._on = True
        self._tick()

    def end(self) -> None:
        self._on = False
        for proposing in self._patched:
            del proposing.__dict__["_fresh_block"]
        self._patched.clear()

    def _tick(self) -> None:
        if not self._on:
            return
        peer, world = self._host.peer, self._roles.world
        if peer is not None and self._host.up:
            pair = peer.pairs[self._roles.symbol]
            proposing = pair.replica.proposing
            if proposing not in self._patched:
                self._patched.append(proposing)
                proposing.__dict__["_fresh_block"] = MethodType(self._lazily, proposing)
            if len(pair.ops.pending(self._accomplice.identity.public_key)) < 2:
                order = small_order(self._accomplice.next_id(), TimeInForce.IOC)
                say(world, self._host, self._accomplice.identity, encode_message(Submit(self._accomplice.sign(order))))
        world.call(GAP_US, self._tick)

    def _lazily(self, proposing: Any, parent: BlockId, now: Now) -> Block | None:
        member = proposing._member
        timing = member.manifest.timing
        waited_ms = now.timer_ms - max(member.last_progress_ms, member.term_started_ms)
        if waited_ms < PATIENCE_SHARE * timing.timeout_base_ms:
            return None
        accomplice = self._accomplice.identity.public_key
        chosen = []
        pool, state = member.pool_after(parent), member.speculation.after(parent)
        for author, log in pool.eligible():
            for place, item in enumerate(log.next_items()):
                age_ms = now.timer_ms - max(log.held_since_ms(place), member.term_started_ms)
                if author != accomplice and age_ms <= timing.inclusion_age_ms - LAST_MOMENT_MS:
                    break
                chosen.append(item)
        time_ms = max(now.wall_ms, state.time_ms + 1)
        if not chosen:
            return None
        items = canonical_order(parent, chosen)[: member.manifest.limits.max_block_ops]
        if state.refusal(items, time_ms) is not None:
            return None
        block: Block = proposing._block_of(parent, items, member.speculation.try_out(parent, time_ms, items))
        return block
