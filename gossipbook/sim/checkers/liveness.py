"""I10: a minority finalizes nothing and keeps accepting ops, a quorum makes progress, and an idle pair is silent."""

from gossipbook.client_messages import AckLevel
from gossipbook.effects import LinkId
from gossipbook.ids import PeerId
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host

GRACE_US = 3_000_000  # what was under way when the wires were cut may still arrive
ACCEPTED_WITHIN_US = 12_000_000  # six tries of a trader
CONSENSUS_KINDS = frozenset((20, 21, 22, 23, 25, 26, 27, 29, 30, 31, 32))


class LivenessChecker(Checker):
    """Works out which hosts can reach one another, and checks what they finalize and accept."""

    def __init__(self) -> None:
        super().__init__()
        self.listening = False
        self.settled_us = -1
        self._cut_off: dict[tuple[str, frozenset[PeerId]], tuple[int, int]] = {}  # since when, highest height anywhere
        self._highest: dict[str, int] = {}  # by pair
        self._down_us: dict[PeerId, int] = {}
        self._heard: dict[str, int] = {}

    def crashed(self, host: Host, now_us: int) -> None:
        self._down_us[host.peer_id] = now_us

    def sent(self, host: Host, to: tuple[LinkId, ...], raw: bytes, now_us: int) -> None:
        if self.listening and raw[1:3] and not host.faulty:
            kind = raw[1] if raw[1] < 0x18 else raw[2]
            if kind in CONSENSUS_KINDS:
                self._heard[host.name] = self._heard.get(host.name, 0) + 1

    def sample(self, now_us: int) -> None:
        self._watch_minorities(now_us)
        self._watch_traders(now_us)

    # -- minorities ---------------------------------------------------------------------------------

    def _watch_minorities(self, now_us: int) -> None:
        """What was final somewhere may reach a side yet, over a slow wire; nothing new becomes final there."""
        found: dict[tuple[str, frozenset[PeerId]], tuple[int, int]] = {}
        before = dict(self._highest)
        for host in self.view.honest():
            for symbol, pair in () if host.peer is None else host.peer.pairs.items():
                self._highest[symbol] = max(pair.replica.fin, self._highest.get(symbol, 0))
        if self.view.partitioned():
            for group in self._groups():
                for symbol, seats in self.view.seats.items():
                    votes = sum(host.identity.public_key in seats.keys for host in group)
                    heights = [h.peer.pairs[symbol].replica.fin for h in group if h.peer is not None and not h.faulty]
                    if votes >= seats.quorum or not heights:
                        continue
                    key = (symbol, frozenset(host.peer_id for host in group))
                    since_us, height = self._cut_off.get(key, (now_us, 0))
                    if now_us - since_us < GRACE_US:
                        found[key] = (since_us, self._highest[symbol])
                        continue
                    height = max(height, before.get(symbol, 0))
                    found[key] = (since_us, height)
                    self.counts["I10"] += 1
                    if max(heights) > height:
                        text = (
                            f"a side with {votes} of {seats.quorum} votes finalized height {max(heights)} of {symbol}"
                        )
                        self.blame("I10", text, symbol, max(heights))
        self._cut_off = found

    def _groups(self) -> list[list[Host]]:
        """Return the groups of hosts that can reach one another, if only in one direction."""
        is_cut = self.view.is_cut
        left = [host for host in self.view.hosts if host.up]
        groups = []
        while left:
            group, todo = [], [left.pop(0)]
            while todo:
                a = todo.pop()
                group.append(a)
                near = [b for b in left if not (is_cut(a.peer_id, b.peer_id) and is_cut(b.peer_id, a.peer_id))]
                left = [b for b in left if b not in near]
                todo += near
            groups.append(group)
        return groups

    # -- traders ------------------------------------------------------------------------------------

    def _watch_traders(self, now_us: int) -> None:
        """Check that a running peer takes ops and says that they are durable, whether it is cut off or not."""
        if any(now_us - down_us < ACCEPTED_WITHIN_US for down_us in self._down_us.values()):
            return
        if not all(host.up for host in self.view.hosts) or not self.view.fair_weather():
            return
        for trader in self.view.traders.values():
            for signed in trader.open_ops()[:1]:
                if signed.refused or now_us - signed.signed_us < ACCEPTED_WITHIN_US:
                    continue
                self.counts["I10"] += 1
                if AckLevel.DURABLE not in signed.heard:
                    self.blame("I10", f"an op of {trader.name} found no peer that takes it", signed.op.pair)

    # -- the end ------------------------------------------------------------------------------------

    def healed(self, came_to_rest: bool, within_s: float) -> None:
        """Note whether the run came to rest in time after the heal."""
        self.counts["I10"] += 1
        if came_to_rest:
            self.settled_us = self.view.now_us
        else:
            self.blame("I10", f"not at rest {within_s:g} s after the heal: {self._unrest()}")

    def silent(self) -> None:
        """Blame hosts that sent consensus messages while there was nothing to do."""
        self.counts["I10"] += 1
        for name, count in self._heard.items():
            self.blame("I10", f"{name} sent {count} consensus messages with nothing to do")

    def _unrest(self) -> str:
        """Return in words what is not at rest, for the reader of a failure."""
        words = []
        for trader in self.view.traders.values():
            waiting = [signed for signed in trader.open_ops() if not signed.refused]
            if waiting:
                words.append(f"{trader.name} waits for {len(waiting)} ops")
        for host in self.view.honest():
            if host.peer is None:
                words.append(f"{host.name} is down ({host.why_down})")
                continue
            for symbol, pair in host.peer.pairs.items():
                member = pair.replica.member
                state = f"{host.name} {symbol} height {member.fin} term {member.ballot.term} pending {len(pair.ops)}"
                words.append(state + (f" {member.halted}" if member.halted else ""))
        return "; ".join(words[:12])
