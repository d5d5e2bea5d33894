"""Watch an exchange and note what a report needs.

Attach it before the exchange opens: ``run_plan(plan, also=recorder.attend)``. It only looks: a run with a recorder
delivers the same messages at the same times as one without.
"""

from gossipbook.consensus.records import Finalized, TermChanged
from gossipbook.effects import LinkId
from gossipbook.ids import PeerId
from gossipbook.run_report.closing import close
from gossipbook.run_report.contents import Contents, MessageReader
from gossipbook.run_report.market import MarketLog
from gossipbook.run_report.messages import FIRST_FILL, TERM_CHANGE, VIOLATION
from gossipbook.run_report.notes import Notes
from gossipbook.run_report.recording import (
    CUT_OFF,
    DOWN,
    PARTLY_CUT,
    PAUSED,
    UP,
    Look,
    Recording,
    Traffic,
    VoteNote,
)
from gossipbook.run_report.sampling import Steps
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host, Observer

LOOKS_CAP = 2_400
"""Ten minutes of looks; a longer run is looked at half as often each time that they are full."""

PEERS_SHOWN = 48
VOTES_CAP = 50_000


class Recorder(Observer):
    """The notes of one run. :meth:`recording` returns them when the run is over."""

    exchange: Exchange
    notes: Notes

    def __init__(self) -> None:
        self._reader = MessageReader()
        self._votes = 0
        self._shown: list[Host] = []
        self._seats: dict[bytes, int] = {}

    def attend(self, exchange: Exchange) -> None:
        """Watch an exchange from before it opens."""
        self.exchange = exchange
        roles = exchange.roles
        self._seats = {host.peer_id: seat for seat, host in enumerate(roles.members)}
        others = [host for host in roles.hosts if host.peer_id not in self._seats]
        self._shown = [*roles.members, *others][:PEERS_SHOWN]
        self.notes = Notes(
            MarketLog({host.identity.public_key: host.name for host in roles.hosts}, roles.world.manifest.rules_version)
        )
        for host in self._shown:
            self.notes.states[host.index] = Steps()
        for host in roles.hosts:
            self.notes.heights[host.index] = Steps()
        self.notes.terms = {seat: Steps() for seat in self._seats.values()}
        exchange.world.watch(self)
        exchange.world.call(0, self._look)

    def recording(self) -> Recording:
        """Return what was recorded, once the run is over."""
        self._watch_violations()
        for host in self._shown:
            self._note_state(host)
        return close(self.exchange, self.notes, self._shown)

    # -- messages -----------------------------------------------------------------------------------

    def sent(self, host: Host, to: tuple[LinkId, ...], raw: bytes, now_us: int) -> None:
        contents = self._reader.read(raw)
        traffic = self._traffic(contents.kind)
        traffic.sent += len(to)
        traffic.sent_bytes += len(to) * len(raw)
        for op_id in contents.ops:
            self.notes.ops.born(op_id, now_us, host.index)
        if contents.label and host.peer_id in self._seats:
            self._note_member_message(host, to, contents, raw, now_us)

    def delivered(self, host: Host, sender: PeerId, raw: bytes, now_us: int) -> None:
        contents = self._reader.read(raw)
        self._traffic(contents.kind).delivered += 1
        other = self.exchange.world.hosts.get(sender)
        if contents.label and host.peer_id in self._seats and other is not None:
            self.notes.flow.delivered(now_us, other.name, host.name, raw)
        if host.faulty:
            return
        for op_id in contents.ops:
            self.notes.ops.arrived(op_id, now_us, host.index)
            if other is not None:
                self.notes.ops.copied(op_id, host.index)
        for block_id in contents.blocks:
            self.notes.blocks.copied(block_id, host.index)

    def _note_member_message(
        self, host: Host, to: tuple[LinkId, ...], contents: Contents, raw: bytes, now_us: int
    ) -> None:
        world, me = self.exchange.world, host.peer_id
        wired = {
            world.hosts[link].name: world.links.linked(me, link) and not world.network.is_cut(me, link)
            for link in to
            if link in self._seats
        }
        if contents.seat not in (-1, self._seats[host.peer_id]):
            return  # Relayed for another.
        self.notes.flow.sent(now_us, host.name, wired, contents, raw)
        key = contents.vote
        if key is None:
            return
        votes = self.notes.votes.setdefault(key[:2], {})
        if key in votes:
            return
        if self._votes >= VOTES_CAP:
            self._leave_out("votes")
            return
        self._votes += 1
        votes[key] = VoteNote(key[2], key[3], key[4], key[5], now_us)

    def _traffic(self, kind: str) -> Traffic:
        found = self.notes.traffic.get(kind)
        if found is None:
            found = self.notes.traffic[kind] = Traffic()
        return found

    # -- peers --------------------------------------------------------------------------------------

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if host.faulty:
            return
        if isinstance(event, Finalized):
            self.notes.blocks.born(event.block.id, now_us, host.index)
            self.notes.blocks.arrived(event.block.id, now_us, host.index)
            self._note_height(host, now_us)
            if self.notes.market.take(host, event, now_us):
                self._mark(event, now_us)
        elif isinstance(event, TermChanged) and event.pair == self.exchange.roles.symbol:
            self._note_term(host, event.term, now_us)

    def started(self, host: Host, now_us: int) -> None:
        assert host.peer is not None
        self._note_state(host)
        self._note_term(host, host.peer.pairs[self.exchange.roles.symbol].replica.member.ballot.term, now_us)
        self._note_height(host, now_us)

    def crashed(self, host: Host, now_us: int) -> None:
        self._note_state(host)
        self._note_term(host, -1, now_us)

    def _mark(self, final: Finalized, now_us: int) -> None:
        """Mark the block for the message diagram, if it is of a later term or has the first fill."""
        where = f"block {final.block.height} of {final.pair}"
        if final.pair == self.exchange.roles.symbol and final.fc.term > 0:
            self.notes.flow.mark(TERM_CHANGE, now_us, f"the first block of a later term is final: {where}", final.pair)
        if self.notes.market.fills:
            self.notes.flow.mark(FIRST_FILL, now_us, f"the first fill is final: {where}", final.pair)

    def _note_term(self, host: Host, term: int, now_us: int) -> None:
        seat = self._seats.get(host.peer_id)
        if seat is not None and host.address == host.peer_id:
            self.notes.terms[seat].note(now_us, term)

    def _note_height(self, host: Host, now_us: int) -> None:
        if host.peer is not None and host.address == host.peer_id:
            total = sum(pair.replica.fin for pair in host.peer.pairs.values())
            self.notes.heights[host.index].note(now_us, total)

    def _note_state(self, host: Host) -> None:
        steps = self.notes.states.get(host.index)
        if steps is not None and host.address == host.peer_id:
            steps.note(self.exchange.world.now_us, self._state(host))

    def _state(self, host: Host) -> str:
        """Return whether a host is up, or why it cannot take part."""
        if host.peer is None:
            return DOWN
        if host.backlog is not None:
            return PAUSED
        network, roles = self.exchange.network, self.exchange.roles
        me = host.peer_id
        votes = sum(m is host or (m.up and not network.severed(me, m.peer_id)) for m in roles.members)
        if votes < roles.quorum and any(network.severed(me, m.peer_id) for m in roles.members if m is not host):
            return CUT_OFF
        partly = any(network.severed(me, other.peer_id) for other in roles.hosts if other is not host)
        return PARTLY_CUT if partly else UP

    # -- looks --------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Sample the network now, and again after a while."""
        if len(self.notes.looks) >= LOOKS_CAP:
            self.notes.looks = self.notes.looks[::2]
            self.notes.period_us *= 2
        for host in self._shown:
            self._note_state(host)
        self.notes.looks.append(self._observe())
        self._watch_violations()
        self.exchange.world.call(self.notes.period_us, self._look)

    def _observe(self) -> Look:
        exchange = self.exchange
        honest = exchange.honest()
        states = {
            (symbol, pair.replica.fin, pair.ops.digest(), pair.replica.tip)
            for host in honest
            if host.peer is not None
            for symbol, pair in host.peer.pairs.items()
        }
        pools = [(h.index, [pair.ops for pair in h.peer.pairs.values()]) for h in honest if h.peer is not None]
        waiting = self.exchange.world.in_flight()
        shown = [host.peer for host in self._shown]
        roles = exchange.roles
        return Look(
            at_us=exchange.world.now_us,
            states=max(0, len(states) - len(exchange.manifest.symbols())),
            pending=max((len(pool) for _, of_peer in pools for pool in of_peer), default=0),
            term=roles.term(),
            all_up=all(host.up for host in honest),
            heights=tuple(-1 if p is None else sum(pair.replica.fin for pair in p.pairs.values()) for p in shown),
            pendings=tuple(-1 if p is None else sum(len(pair.ops) for pair in p.pairs.values()) for p in shown),
            waiting=tuple(waiting.get(host.address, 0) for host in self._shown),
            pool_bytes=tuple(-1 if p is None else sum(pair.ops.bytes for pair in p.pairs.values()) for p in shown),
            books=tuple(self.notes.market.top(symbol) for symbol in exchange.manifest.symbols()),
        )

    def _watch_violations(self) -> None:
        if self.notes.flow.marked(VIOLATION):
            return
        found = [violation for checker in self.exchange.checkers for violation in checker.violations]
        if found:
            first = min(found, key=lambda violation: violation.at_us)
            self.notes.flow.mark(VIOLATION, first.at_us, f"{first.invariant} is violated: {first.text}", first.pair)

    def _leave_out(self, what: str) -> None:
        self.notes.left_out[what] = self.notes.left_out.get(what, 0) + 1
