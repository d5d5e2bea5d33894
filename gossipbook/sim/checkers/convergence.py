"""I4: peers with the same ops and blocks have the same digests, and after the heal all have the same."""

from gossipbook.consensus.records import Finalized
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host


class ConvergenceChecker(Checker):
    """Compares state roots at equal tips, and pending digests where the pending sets are equal."""

    def __init__(self) -> None:
        super().__init__()
        self._roots: dict[tuple[str, bytes], tuple[bytes, str]] = {}  # by pair and tip: root, who had it first
        self._compared: dict[tuple[str, str], bytes] = {}  # the tip at which a host was last looked at
        self._events: dict[tuple[str, bytes], object] = {}
        self.series: list[tuple[int, int]] = []  # (time, how many different states)

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if not isinstance(event, Finalized) or host.faulty:
            return
        self.counts["I4"] += 1
        if self._events.setdefault((event.pair, event.block.id), event.events) != event.events:
            text = f"{host.name} executed block {event.block.height} of {event.pair} to other events than others"
            self.blame("I4", text, event.pair, event.block.height)

    def sample(self, now_us: int) -> None:
        pending: dict[tuple[str, bytes, frozenset[bytes]], tuple[bytes, str]] = {}
        states: dict[tuple[str, bytes, bytes], None] = {}
        for host in self.view.honest():
            if host.peer is None:
                continue
            for symbol, pair in host.peer.pairs.items():
                tip, told = pair.replica.tip, pair.ops.digest()
                states[symbol, tip, told] = None
                if len(pair.ops) == 0:
                    continue
                held = [op_id for op_id, op in pair.ops.bodies.items() if pair.ops.in_main(op)]
                forked = [author for author, log in pair.ops.logs.items() if log.forked]
                first, who = pending.setdefault((symbol, tip, frozenset(held + forked)), (told, host.name))
                self.counts["I4"] += 1
                if first != told:
                    self.blame(
                        "I4", f"{who} and {host.name} hold the same ops of {symbol} and differ in digest", symbol
                    )
        self.series.append((now_us, max(0, len(states) - len(self.view.manifest.symbols()))))

    def finish(self) -> None:
        """Compare every host's state root, which covers the queue order of the book, at equal tips."""
        for host in self.view.honest():
            if host.peer is None:
                continue
            for symbol, pair in host.peer.pairs.items():
                if pair.replica.member.has_work():
                    continue
                root = pair.certified.root()
                first, who = self._roots.setdefault((symbol, pair.replica.tip), (root, host.name))
                self.counts["I4"] += 1
                if first != root:
                    self.blame("I4", f"{who} and {host.name} are at one tip of {symbol} with different states", symbol)
