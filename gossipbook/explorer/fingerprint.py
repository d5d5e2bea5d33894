"""Reduce a member's state to the value that decides its future, with blocks and ops by name.

Everything that hangs from the replica is in it but for what is named here, so that a field that the core gains is
in it by default. Left out is only what cannot change a vote, a proposal, a finalized block or durable state.

Where states are merged (:mod:`merging`), :class:`MergingFingerprint` reads less of some fields: what is over is left
out. Each of its methods says why.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from gossipbook.consensus.ballot import Ballot
from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.catchup import CatchUp
from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote
from gossipbook.consensus.certificates import Certificates
from gossipbook.consensus.chain import Chain
from gossipbook.consensus.member import Member
from gossipbook.consensus.messages import GiveUp, Propose
from gossipbook.consensus.outbox import Outbox
from gossipbook.consensus.pacing import Pacing
from gossipbook.consensus.proposing import Proposing
from gossipbook.consensus.records import VoteState
from gossipbook.consensus.replica import Replica
from gossipbook.consensus.speculation import Speculation
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op_set import OpSet
from gossipbook.explorer.named_objects import NOW, NamedObjects
from gossipbook.explorer.vocabulary import NO_BLOCK, NONE, Standing, descends, height_of
from gossipbook.ids import SIGNATURE_BYTES
from gossipbook.ordered import BoundedDict

LEFT_OUT: dict[type, tuple[str, ...]] = {
    Replica: ("inbox", "_finality", "_terms"),  # rules, without a state of their own
    Member: (
        *("manifest", "committee", "verifier", "config", "public_key", "peers"),  # never change
        *("refusals", "takeovers", "votes_cast", "gave_up"),  # counted for people
        "entered_ms",  # how soon a term may be given up
        "failed_terms",  # how long a round takes; here a round takes as long as the search likes
        "relaying",  # what is relayed to whom; a certificate that can be formed can be delivered anyhow
        "timer_ms",  # the fixed moment
        "_asked_term_ms",  # when it asked for a term that it missed; that may come at any time here
        "ops",  # every member holds every op, until a block of its chain names it
    ),
    Ballot: ("committee", "_identity"),
    # Whom to ask next and when. What was asked for may come at any time here, and nothing else has to.
    CatchUp: (
        *("_symbol", "_epoch", "_config", "_members", "_turn", "heights", "_helped", "_due_room", "_block_rounds"),
        *("_sync_until", "_sync_peer", "_sync_deadline_ms", "_fetch_deadline_ms"),
    ),
    # The first ones are seen from the replica. Of the votes that are counted one by one there are a member's own only,
    # which make no certificate.
    Certificates: ("_committee", "_chain", "_catch_up", "votes", "timeouts"),
    Outbox: ("_symbol", "_stored", "_stored_blocks"),  # what the journal has: all ops, and blocks as the member says
    Proposing: (
        *("_member", "_company_until_ms", "_newcomers_alone_ms"),
        # How proposals are spread over time.
        *("_put_ms", "_last_put_ms", "_flight_ms", "_least_ms", "_pause_until_ms"),
        "_passed",  # what was found timely and fair: all blocks are, while the clock stands still
    ),
    # Whether the newest round timer is armed is the member's to say.
    Pacing: ("_member", "_generation", "_retry_on", "_relay_on", "_began_ms"),
    # Follows from the finalized chain; which blocks were executed on top of it is a cache: any may be executed again.
    Speculation: ("certified", "_ids"),
}

PLAIN = frozenset((type(None), bool, int, str))


class Fingerprint:
    """Turns states into values. Order is kept where it decides, and dropped where it does not."""

    def __init__(self, objects: NamedObjects) -> None:
        self._objects = objects
        self._names = objects.names
        self._durable: dict[bytes, object] = {}
        self._readers: dict[type, Callable[[Any], object]] = {
            **dict.fromkeys(PLAIN, _itself),
            **dict.fromkeys((tuple, list), self._sequence),
            **dict.fromkeys((dict, BoundedDict), self._mapping),
            bytes: self._bytes,
            Vote: self._vote,
            Certificate: self._certificate,
            TermChange: objects.binding,
            Timeout: self._timeout,
            GiveUp: lambda message: self._timeout(message.timeout),  # its certificates prove it; due ops are hints
            Propose: lambda message: objects.offer(message, decode_block(message.block)),
            Block: objects.learn,
        }

    def of(self, value: Any) -> object:
        """Return the value of one part of a state."""
        reader = self._readers.get(type(value))
        if reader is None:
            reader = self._readers[type(value)] = self._object(type(value))
        return reader(value)

    def durable(self, votes: bytes) -> object:
        """Return the value of a vote state as a restart would find it."""
        known = self._durable.get(votes)
        if known is None:
            known = self._durable[votes] = self.of(VoteState.decode(votes))
        return known

    def _object(self, kind: type) -> Callable[[Any], object]:
        """Make the reader of a class that has none of its own: it reads the attributes."""
        if issubclass(kind, Enum):
            return _itself
        assert kind.__module__.startswith("gossipbook."), f"{kind} in a replica's state"
        if issubclass(kind, tuple):
            return self._sequence
        assert kind not in (Interpretation, OpSet), "follows from the finalized chain"
        left_out = frozenset(LEFT_OUT.get(kind, ())) | self._left_out_too(kind)
        views = self._views(kind)
        slots = getattr(kind, "__slots__", None)
        of = self.of

        def read(value: Any) -> object:
            names = vars(value) if slots is None else slots
            parts = [getattr(value, name) for name in names if name not in left_out]
            return tuple([part if type(part) in PLAIN else of(part) for part in parts])

        def view(value: Any) -> object:
            return read(value), tuple([look(value) for look in views])

        return view if views else read

    def _left_out_too(self, kind: type) -> frozenset[str]:
        return frozenset()

    def _views(self, kind: type) -> tuple[Callable[[Any], object], ...]:
        return ()

    def _sequence(self, value: Sequence[Any]) -> object:
        return tuple([self.of(part) for part in value])

    def _mapping(self, value: dict[Any, Any] | BoundedDict[Any, Any]) -> object:
        return frozenset([(self.of(key), self.of(part)) for key, part in value.items()])

    def _bytes(self, value: bytes) -> str:
        if len(value) == SIGNATURE_BYTES:
            return ""  # What it signs is there.
        return self._names.get(value) or value.hex()

    def _vote(self, vote: Vote) -> object:
        return "vote", vote.kind, vote.term, vote.height, self._names[vote.block_id], vote.seat

    def _certificate(self, certificate: Certificate) -> object:
        c = certificate
        return "certificate", c.kind, c.term, c.height, self._names[c.block_id]

    def _timeout(self, timeout: Timeout) -> object:
        t, names = timeout, self._names
        return t.term, t.fin, names[t.fin_id], t.lock_term, t.lock_height, names[t.lock_id], t.seat


class MergingFingerprint(Fingerprint):
    """Reads of a member only what may still change a vote, a proposal, a final block or a TIMEOUT.

    All blocks come as soon as they are asked for, so that it makes no difference which of them are held. What final
    blocks there are below the tip follows from its name.
    """

    def __init__(self, objects: NamedObjects) -> None:
        super().__init__(objects)
        self._replica: Replica | None = None

    def of_replica(self, replica: Replica) -> object:
        self._replica = replica
        return self.of(replica)

    def of_durable(self, votes: bytes | None) -> object:
        """Return the value of a vote state as a restart of the same replica would find it."""
        return None if votes is None else self.of(VoteState.decode(votes))

    def standing(self, replica: Replica) -> Standing:
        names, member = self._names, replica.member
        ballot, fc = member.ballot, member.chain.fc
        state, lock = ballot.state, ballot.lock
        lock_term, lock_name = (NONE, NO_BLOCK) if lock is None else (lock.term, names[lock.block_id])
        fin_term = NONE if fc is None else fc.term
        place = ballot.term, state.timed_out, member.fin, names[member.tip], fin_term, lock_term, lock_name
        self._replica = replica
        return Standing(*place, self._last(state), self._committed(state))

    def _left_out_too(self, kind: type) -> frozenset[str]:
        return {
            # Read by the views below; and a TIMEOUT that was sent is only sent again, as it is.
            VoteState: frozenset(
                ("prepared", "committed", "proposing", "high_tc", "timeout", "timeout_fc", "timeout_nc")
            ),
            Ballot: frozenset(("committee", "_identity", "_proposing", "dirty")),
            Member: frozenset(("proposed",)),
            Certificates: frozenset(("ncs", "tc")),
            Chain: frozenset(("_blocks", "_ids")),
            Proposing: frozenset(("offers",)),
            Pacing: frozenset(("_round_on",)),
        }.get(kind, frozenset())

    def _views(self, kind: type) -> tuple[Callable[[Any], object], ...]:
        views: dict[type, tuple[Callable[[Any], object], ...]] = {
            VoteState: (self._last, self._committed, self._led),
            Member: (self._proposed,),
            Certificates: (self._notarized, self._ended),
            Proposing: (self._offers,),
            Pacing: (self._runs,),
        }
        return views.get(kind, ())

    @property
    def _member(self) -> Member:
        assert self._replica is not None
        return self._replica.member

    def _last(self, state: VoteState) -> str:
        """Of what was prepared in the present term the newest decides: the next one is higher and descends from it.

        Not even that if the tip descends from it, as all that is prepared now does from the tip; nor after a TIMEOUT.
        """
        newest = state.prepared[-1] if state.prepared else None
        if newest is None or newest.term != state.term or state.timed_out:
            return NO_BLOCK
        name = self._names[newest.block_id]
        return NO_BLOCK if descends(self._names[self._member.tip], name) else name

    def _committed(self, state: VoteState) -> tuple[int, ...]:
        """Heights above the tip that may not be committed to again in the present term."""
        if state.timed_out:
            return ()
        fin = self._member.fin
        return tuple(sorted(v.height for v in state.committed if v.term == state.term and v.height > fin))

    def _led(self, state: VoteState) -> object:
        """Only who leads the present term, and has not given it up, proposes anything, by the TC that began it."""
        member = self._member
        seat, committee = member.ballot.seat, member.committee
        if seat is None or committee.leader(state.term) != seat or state.timed_out:
            return None
        is_anew = member.ballot.proposes_anew
        return state.proposing == state.term, is_anew, None if state.high_tc is None else self.of(state.high_tc)

    def _proposed(self, member: Member) -> str:
        """The next proposal is a child of the last one, until the term is given up."""
        if not member.proposed or member.ballot.timed_out:
            return NO_BLOCK
        return self._names[member.proposed[max(member.proposed)][0]]

    def _notarized(self, certificates: Certificates) -> object:
        """An NC up to the lock's height and term is used up: whatever outdates the lock outdates it.

        One of a term before the tip's FC is outdated for good.
        """
        lock, fc = self._member.ballot.lock, self._member.chain.fc
        return frozenset(
            self._certificate(nc)
            for nc in certificates.ncs.values()
            if (fc is None or nc.term >= fc.term) and (lock is None or nc.height > lock.height or nc.term > lock.term)
        )

    def _ended(self, certificates: Certificates) -> object:
        """A TC of an earlier term than the present one tells nothing any more."""
        tc = certificates.tc
        return None if tc is None or tc.term < self._member.ballot.term else self.of(tc)

    def _offers(self, proposing: Proposing) -> object:
        """An offer counts above what was prepared in the term, until that is given up.

        Of one that contradicts the tip, or what was prepared, it only counts that there is one at its height.
        """
        member, names = self._member, self._names
        if member.ballot.timed_out:
            return None
        tip, last = names[member.tip], self._last(member.ballot.state)
        lowest = max(member.fin, height_of(last))
        return frozenset(
            (height, *((name, self.of(offer.tc)) if descends(name, tip) and descends(name, last or tip) else ()))
            for height, offer in proposing.offers.items()
            if height > lowest
            for name in (self._objects.learn(offer.block),)
        )

    def _runs(self, pacing: Pacing) -> bool:
        """After a TIMEOUT the round timer only has messages sent again."""
        return vars(pacing)["_round_on"] is True and not self._member.ballot.timed_out


def _itself(value: object) -> object:
    return value


def clock_stands_still(replica: Replica) -> bool:
    """Return whether a replica's times are all the fixed moment; else equal states would differ in time."""
    return replica.member.term_started_ms == replica.member.last_progress_ms == NOW.timer_ms
