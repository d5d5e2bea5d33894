"""Faults that wait for a dangerous moment of the protocol, which a fixed time would seldom meet."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import CastVote, FinalizedBlock, GiveUp, Proof, Propose
from gossipbook.consensus.records import VoteRecord, VoteState
from gossipbook.effects import LinkId
from gossipbook.gossip.messages import Push
from gossipbook.sim.host import Behaviour, Host, Observer
from gossipbook.sim.host_roles import HostRoles
from gossipbook.wire.codec import decode_message


class ToLeaderOnly(Behaviour):
    """Sends an honest host's PREPAREs to the leader alone, so that only the leader can make a certificate."""

    def __init__(self, roles: HostRoles) -> None:
        self._roles = roles

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        inner = decode_message(message.payload) if isinstance(message, Push) else message
        if isinstance(inner, CastVote) and inner.vote.kind == PREPARE:
            leader = self._roles.leader().peer_id
            return ((tuple(link for link in to if link == leader), message),)
        return ((to, message),)


class OnPrepared(Observer):
    """Calls back once, as soon as the leader and nobody else holds a prepare certificate."""

    def __init__(self, roles: HostRoles, then: Callable[[], None]) -> None:
        self._roles = roles
        self._then: Callable[[], None] | None = then
        self._hosts = [host for host in roles.hosts if host.behaviour is None]
        for host in self._hosts:
            host.behaviour = ToLeaderOnly(roles)
        roles.world.watch(self)

    def synced(self, host: Host, records: list[object], now_us: int) -> None:
        if self._then is None or host is not self._roles.leader():
            return
        for record in records:
            if isinstance(record, VoteRecord) and VoteState.decode(record.state).lock is not None:
                then = self._then
                self.end()
                then()
                return

    def end(self) -> None:
        """Stop waiting."""
        self._then = None
        for host in self._hosts:
            if isinstance(host.behaviour, ToLeaderOnly):
                host.behaviour = None


class Muffled(Behaviour):
    """Sends an honest host's COMMITs to one other host alone, and its final certificates to nobody."""

    def __init__(self, host: Host, lucky: Host) -> None:
        self._host = host
        self._lucky = lucky

    def sends(self, to: tuple[LinkId, ...], message: Any) -> Iterable[tuple[tuple[LinkId, ...], Any]]:
        inner = decode_message(message.payload) if isinstance(message, Push) else message
        match inner:
            case Propose() | GiveUp() | Proof() if self._host is self._lucky:
                return ()  # Each may carry the certificate, a TC in the proof of the own claim.
            case CastVote(_, _, vote) if vote.kind == COMMIT:
                return ((tuple(link for link in to if link == self._lucky.peer_id), message),)
            case Proof(_, _, Certificate(kind=kind)) if kind == COMMIT:
                return ()
            case FinalizedBlock():
                return ()
            case Propose() if inner is message:
                return ((to, replace(message, fc=None)),)
        return ((to, message),)


class FinalToOne:
    """Makes all honest hosts :class:`Muffled`, so that only ``lucky`` learns that a block is final."""

    def __init__(self, roles: HostRoles, lucky: Host) -> None:
        self.lucky = lucky
        self._muffled = [host for host in roles.hosts if host.behaviour is None]
        for host in self._muffled:
            host.behaviour = Muffled(host, lucky)

    def end(self) -> None:
        for host in self._muffled:
            if isinstance(host.behaviour, Muffled):
                host.behaviour = None
