"""I3: every op that was acknowledged ends in a final block.

``certified`` means in a finalized block, at once; ``relayed`` and ``durable`` mean that the op ends in a block once the
network is whole again. A durable ack is one peer's word for its own disk: it is void if that disk was lost. No ack
of a liar counts, nor any for an author who forked. An op holds no longer than the one that begins its life, which its
author let expire, with all that follows it.
"""

from gossipbook.client_messages import AckLevel
from gossipbook.consensus.records import Dropped, Finalized
from gossipbook.crdt.op import Op, life_of
from gossipbook.crdt.stays import begins_life
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host


class AckChecker(Checker):
    """Follows acks as the traders hear them, and blocks as peers finalize them."""

    def __init__(self) -> None:
        super().__init__()
        self._final: dict[bytes, int] = {}
        self._dropped: dict[bytes, None] = {}
        self._time_ms: dict[str, int] = {}
        self.fates: dict[str, int] = {}

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if host.faulty:
            return
        if isinstance(event, Finalized):
            for item in event.items:
                self._final.setdefault(item.id, event.block.height)
            self._time_ms[event.block.pair] = max(event.block.time_ms, self._time_ms.get(event.block.pair, 0))
        elif isinstance(event, Dropped):
            self._dropped.update(dict.fromkeys(op.id for op in event.ops))

    def finish(self) -> None:
        for trader in self.view.traders.values():
            over = {(op.pair, life_of(op.seq)) for op in (signed.op for signed in trader.ops) if self._came_late(op)}
            for signed in trader.ops:
                op = signed.op
                if (op.pair, life_of(op.seq)) in over:
                    continue
                for level, (at_us, host) in signed.heard.items():
                    if host.faulty or (level == AckLevel.DURABLE and host.observer_reason):
                        continue
                    self.counts["I3"] += 1
                    if op.id in self._final or op.id in self._dropped:
                        continue
                    text = (
                        f"op {op.id.hex()[:10]} of {trader.name} was acked {level.name.lower()} by {host.name} at "
                        f"{at_us / 1e6:.3f} s and is in no final block"
                    )
                    self.blame("I3", text, op.pair)

    def _came_late(self, op: Op) -> bool:
        return begins_life(op) and op.id not in self._final and 0 < op.expiry_ms < self._time_ms.get(op.pair, 0)
