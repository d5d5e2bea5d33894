"""Reduce a member's state to the value that decides its future, with blocks and ops by name.

Everything that hangs from the replica is in it but for what is named here, so that a field that the core gains is
in it by default. Left out is only what cannot change a vote, a proposal, a finalized block or durable state.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from gossipbook.consensus.ballot import Ballot
from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.catchup import CatchUp
from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote
from gossipbook.consensus.certificates import Certificates
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
        "_passed",  # what was found timely and fair: all blocks are, while the clock stands still
    ),
    # Whether the newest round timer is armed is the member's to say.
    Pacing: ("_member", "_generation", "_retry_on", "_relay_on"),
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
        left_out = frozenset(LEFT_OUT.get(kind, ()))
        slots = getattr(kind, "__slots__", None)
        of = self.of

        def read(value: Any) -> object:
            names = vars(value) if slots is None else slots
            parts = [getattr(value, name) for name in names if name not in left_out]
            return tuple([part if type(part) in PLAIN else of(part) for part in parts])

        return read

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
        return t.term, t.fin, names[t.fin_id], t.lock_term, names[t.lock_id], t.seat


def _itself(value: object) -> object:
    return value


def clock_stands_still(replica: Replica) -> bool:
    """Return whether a replica's times are all the fixed moment; else equal states would differ in time."""
    return replica.member.term_started_ms == replica.member.last_progress_ms == NOW.timer_ms
