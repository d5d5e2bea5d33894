"""The peer core: routes events to gossip and to the pairs, and their effects back out.

Still pure: a driver hands it events with the time, performs its effects in order, and calls :meth:`Peer.flush`
after each batch of events. The very same class runs under the simulator.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gossipbook.client_messages import UNKNOWN_PAIR, Ack, AckLevel, FeedEnded, Follow, Submit
from gossipbook.consensus.events import GraceTimer, RelayTimer, RetryTimer, RoundTimer, SettleTimer, WakeTimer
from gossipbook.consensus.messages import Bodies, FinalizedBlock
from gossipbook.consensus.records import Finalized
from gossipbook.consensus.relevance import gossip_id, gossip_source
from gossipbook.effects import Blame, CoreEffect, Effect, Emit, Lane, LinkId, Now, Publish, Send, SetTimer
from gossipbook.errors import DecodeError, TooLarge
from gossipbook.gossip.messages import Choke, Graft, IHave, IWant, Prune, Push, Subscribe, Unchoke
from gossipbook.gossip.router import GossipTick, Router
from gossipbook.identity import Identity, SignatureCheck, Verifier
from gossipbook.ids import PeerId, peer_id
from gossipbook.manifest import Manifest
from gossipbook.peer.allowance import RATES, Allowance, refusal_of
from gossipbook.peer.books import CertifiedBooks
from gossipbook.peer.config import PeerConfig
from gossipbook.peer.events import (
    LOCAL,
    AskTimer,
    Begun,
    BookAsked,
    Ending,
    Heartbeat,
    LinkDown,
    LinkUp,
    PeerEvent,
    Received,
    Submitted,
    TimerFired,
    is_peer_link,
)
from gossipbook.peer.faults import Faults
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.peer.payloads import Payloads, payload_key
from gossipbook.peer.stored import StoredPair
from gossipbook.refusals import Refusals, Scope
from gossipbook.wire.codec import encode_message
from gossipbook.wire.handshake import Role


class Peer:
    """One participant: all the pairs it follows, over all its links."""

    def __init__(
        self,
        manifest: Manifest,
        identity: Identity,
        *,
        rng: random.Random,
        config: PeerConfig | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self.manifest = manifest
        self.identity = identity
        self.config = config or PeerConfig()
        self.verifier = verifier or Verifier()
        self.refusals = Refusals()
        followed = manifest.symbols() if self.config.pairs is None else list(self.config.pairs)
        members = frozenset(matcher.peer_id for matcher in manifest.matchers)
        self.allowance = Allowance(members, len(followed), self.refusals, self.config.clients)
        shared = (self.verifier, self.config.consensus, self.refusals, self.allowance)
        self.pairs = {symbol: PairReplica(manifest, symbol, identity, *shared) for symbol in followed}
        self.router = Router(followed, self.config.gossip, rng)
        self.links: dict[LinkId, str] = {}
        self.faults = Faults(self.config.faults_per_link_cap)
        self.books = CertifiedBooks()
        self._payloads = Payloads()

    def restore(
        self,
        stored: dict[str, StoredPair],
        now: Now,
        observer_reason: str = "",
        replayed: Callable[[Finalized], None] = lambda final: None,
    ) -> list[str]:
        """Rebuild all pairs from a journal; a line for each that does not check out.

        ``observer_reason``: this journal cannot account for all votes of its key, so no seat may be used.
        ``replayed`` is told each block of the chains that is executed on the way.
        """
        empty = StoredPair([], [], None, [])
        pairs = self.pairs.items()
        problems = [pair.restore(stored.get(name, empty), now, observer_reason, replayed) for name, pair in pairs]
        return [problem for problem in problems if problem is not None]

    def wanted_peers(self) -> list[PeerId]:
        """Members of my pairs' committees to whom there should be a direct link and is none."""
        wanted: dict[PeerId, None] = {}
        for pair in self.pairs.values():
            for member in pair.replica.member.peers:
                if member not in self.links and member != self.identity.peer_id:
                    wanted[member] = None
        return list(wanted)

    # -- driving ------------------------------------------------------------------------------------

    def refuse(self, link: LinkId, message: Any, now: Now) -> list[Effect] | None:
        """Whether a link sends more than it may, for a driver to ask before anything else: what to answer; None if not.

        A message that is refused is not handed to the core.
        """
        if self.allowance.take(link, message, now):
            return None
        answer = refusal_of(message)
        return [] if answer is None else [Send((link,), answer, Lane.SYNC)]

    def prepare(self, message: Any) -> list[SignatureCheck]:
        """The signatures that this message will be judged by, for a driver to verify beforehand on a thread."""
        if isinstance(message, Push):
            message = self._payloads.look(message.payload)
        symbol = message.op.pair if isinstance(message, Submit) else getattr(message, "pair", None)
        pair = self.pairs.get(symbol) if symbol is not None else None
        return [] if pair is None else self.verifier.unknown(pair.signature_checks(message))

    def is_over(self, timer: object) -> bool:
        """Whether a timer need not be fired any more, for a driver to ask when it is due."""
        return isinstance(timer, RoundTimer) and self.pairs[timer.pair].replica.pacing.is_over(timer)

    def handle(self, event: PeerEvent, now: Now) -> list[Effect]:
        """Take one event; effects in the order in which they are to be performed."""
        match event:
            case Received(link, message):
                return self._through(self._on_message(link, message, now))
            case TimerFired(timer):
                return self._through(self._on_timer(timer, now))
            case LinkUp():
                return self._through(self._on_link_up(event, now))
            case LinkDown(link):
                return self._through(self._on_link_down(link, now))
            case Ending():
                return self._through([effect for pair in self.pairs.values() for effect in pair.stop(now)])
            case Submitted(op):
                return self._through(self._submit(Submit(op), LOCAL, now))
            case BookAsked(pair):
                return self._through(self._book_asked(pair, LOCAL))
            case Begun():
                begun = [effect for pair in self.pairs.values() for effect in pair.begin(now)]
                return self._through([SetTimer(self.router.next_heartbeat_ms(), Heartbeat()), *begun])

    def flush(self, now: Now) -> list[Effect]:
        """End a turn: what the events of this turn gathered."""
        effects: list[CoreEffect] = [effect for pair in self.pairs.values() for effect in pair.flush(now)]
        effects += self.router.flush(now)
        return self._through(effects) if effects else []

    # -- links --------------------------------------------------------------------------------------

    def _on_link_up(self, event: LinkUp, now: Now) -> list[CoreEffect]:
        self.links[event.link] = event.role
        self.allowance.link_up(event.link, event.public_key)
        if event.role is not Role.PEER:
            return []
        peer = peer_id(event.public_key)
        effects: list[CoreEffect] = [*self.router.link_up(peer, event.outbound)]
        for pair in self.pairs.values():
            effects += pair.link_up(peer, now)
        return effects

    def _on_link_down(self, link: LinkId, now: Now) -> list[CoreEffect]:
        self.links.pop(link, None)
        self.faults.forget(link)
        self.allowance.link_down(link)
        if is_peer_link(link):
            down = (effect for pair in self.pairs.values() for effect in pair.link_down(link, now))
            return [*self.router.link_down(link), *down]
        return []

    # -- messages -----------------------------------------------------------------------------------

    def _on_message(self, link: LinkId, message: Any, now: Now) -> list[CoreEffect]:
        if link not in self.links:
            return []  # It was closed while this was on its way.
        if isinstance(message, Submit):
            return self._submit(message, link, now)
        if isinstance(message, Follow):
            return self._book_asked(message.pair, link)
        if self.links[link] is not Role.PEER:
            return [Blame(link, "a client sent what only peers send")]
        if isinstance(message, Push):
            return self._on_push(link, message, now)
        if isinstance(message, Subscribe | Graft | Prune | IHave | IWant | Choke | Unchoke):
            return [*self.router.receive(link, message, now)]
        if type(message) not in RATES:
            return [Blame(link, "an answer to no question")]
        pair = self.pairs.get(getattr(message, "pair", ""))
        if pair is None:
            self.refusals.count(Scope.MESSAGE, "a message of a pair that is not followed")
            return []
        return pair.receive(link, message, now)

    def _on_push(self, link: LinkId, push: Push, now: Now) -> list[CoreEffect]:
        """Judge a gossiped message once, relay it if it is good."""
        key = payload_key(push.payload)
        if self._payloads.has(key):
            self.router.counts["duplicates"] += 1
            return [*self.router.duplicate(link, push.topic, self._payloads.source(key))]
        pair = self.pairs.get(push.topic)
        try:
            message = self._payloads.take(key, push.payload)
        except DecodeError:
            return [Blame(link, "malformed gossip")]
        if pair is None or getattr(message, "pair", None) != push.topic:
            return [Blame(link, "gossip on a topic that is not its own")]
        message_id, source = gossip_id(message), gossip_source(message)
        if message_id is not None and self.router.seen(message_id):
            return [*self.router.duplicate(link, push.topic, source)]
        relay, effects = pair.judge(link, message, now)
        if relay and message_id is not None:
            self._payloads.note(key, source)
            # Members certify a block before anybody can tell them that it is final.
            besides = pair.replica.member.peers if isinstance(message, FinalizedBlock) else ()
            effects += _free(self.router.accepted(link, message_id, push, besides, source))
        return effects

    def _submit(self, message: Submit, link: LinkId, now: Now) -> list[CoreEffect]:
        op = message.op
        pair = self.pairs.get(op.pair)
        if pair is not None:
            return pair.submit(op, link, now)
        refusal = Ack(op.pair, op.id, AckLevel.REFUSED, 0, "unknown-pair")
        return [Send((link,), refusal, Lane.CONSENSUS)] if link != LOCAL else []

    def _book_asked(self, symbol: str, asker: LinkId) -> list[CoreEffect]:
        """Emitted, so that the snapshot takes its place between the blocks that subscribers hear of."""
        pair = self.pairs.get(symbol)
        if pair is not None:
            return [Emit(self.books.read(pair, asker))]
        return [Send((asker,), FeedEnded(symbol, UNKNOWN_PAIR), Lane.SYNC)] if asker != LOCAL else []

    def _on_timer(self, timer: object, now: Now) -> list[CoreEffect]:
        if isinstance(timer, Heartbeat):
            return self._heartbeat(now)
        if isinstance(timer, GossipTick):
            return [*self.router.tick(now)]
        assert isinstance(timer, AskTimer | RoundTimer | RetryTimer | GraceTimer | RelayTimer | SettleTimer | WakeTimer)
        return self.pairs[timer.pair].fire(timer, now)

    def _heartbeat(self, now: Now) -> list[CoreEffect]:
        self.faults.heartbeat()
        again = SetTimer(self.router.next_heartbeat_ms(), Heartbeat())
        effects: list[CoreEffect] = [*self.router.heartbeat(now), again]
        for symbol, pair in self.pairs.items():
            neighbours = dict.fromkeys([*self.router.mesh.members(symbol), *pair.replica.member.peers])
            effects += pair.heartbeat(tuple(peer for peer in neighbours if peer in self.links), now)
        return effects

    def _blame(self, link: LinkId, reason: str) -> list[Effect]:
        """A remote broke the rules: count it, and close the link of one that does so again and again."""
        self.refusals.blame(reason)
        if link not in self.links:
            return []
        ended = self.faults.note(link)
        if ended:
            self.links.pop(link)  # What else is on its way from there is not looked at.
        return ended

    # -- effects ------------------------------------------------------------------------------------

    def _through(self, effects: list[CoreEffect]) -> list[Effect]:
        """Turn publications into gossip and blame into counts; drop what is addressed to links that are not there."""
        if not effects:
            return []
        performed: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Publish):
                performed += self._publish(effect)
            elif isinstance(effect, Blame):
                performed += self._blame(effect.link, effect.reason)
            elif isinstance(effect, Send):
                to = tuple(link for link in effect.to if link in self.links)
                if to:
                    performed.append(effect if len(to) == len(effect.to) else replace(effect, to=to))
            else:
                performed.append(effect)
        return performed

    def _publish(self, effect: Publish) -> list[Effect]:
        if self.router.seen(effect.message_id):
            return []
        try:
            payload = encode_message(effect.message)
        except TooLarge:
            self.refusals.count(Scope.MESSAGE, f"not published: too large a {type(effect.message).__name__}")
            return []
        source = gossip_source(effect.message)
        self._payloads.note(payload_key(payload), source)
        besides = effect.besides if not isinstance(effect.message, Bodies) else ()
        pushed = self.router.accepted(None, effect.message_id, Push(effect.pair, payload), besides, source)
        return _free(pushed) if isinstance(effect.message, Bodies | FinalizedBlock) else pushed


def _free(pushed: list[Effect]) -> list[Effect]:
    """What others signed may be passed on before it is on this disk."""
    return [replace(effect, at_once=True) if isinstance(effect, Send) else effect for effect in pushed]
