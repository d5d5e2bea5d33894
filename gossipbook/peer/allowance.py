"""What each link may ask of this peer: so many messages of a kind, in ids and items.

Each link has a token bucket for each kind of message (:data:`RATES`). A message takes as many tokens as it has ids or
items, and a dear question several. Rates are several times what an honest link was seen to need, so that they bound a
flood and nothing else; how links share the time that is left is for drivers, who can measure it. What is refused is
counted, and changes nothing.
"""

import json
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from gossipbook import client_messages as q
from gossipbook.buckets import TokenBucket
from gossipbook.consensus import messages as c
from gossipbook.crdt import messages as r
from gossipbook.crdt.inserted import Inserted
from gossipbook.effects import LinkId, Now
from gossipbook.gossip import messages as g
from gossipbook.ids import PeerId, PublicKey
from gossipbook.ordered import BoundedDict
from gossipbook.peer.events import LOCAL
from gossipbook.refusals import Refusals, Scope

NEWCOMERS_PER_S, NEWCOMERS_BURST = 0.2, 20
"""Ops of unknown authors that a stranger's link may bring: keys cost nothing. A peer passes on what others signed: what
is too much is dropped, and is no fault of its link's."""
STRANGERS_NEWCOMERS_PER_S, STRANGERS_NEWCOMERS_BURST = 1.0, 20
"""And that all of them together may bring: a block costs every member the same, whoever fills it."""
OWN_NEWCOMERS_PER_S, OWN_NEWCOMERS_BURST = 1 / 60, 1
"""But so many each link may bring whatever others do, so that who comes to trade is not kept out by a flood;"""
OWN_NEWCOMERS_OF_ALL_PER_S, OWN_NEWCOMERS_OF_ALL_BURST = 2.0, 40
"""and all links of their own so many, since links are made anew for two signatures."""
TOO_FAST = json.dumps({"error": "more questions than a link may ask; ask again in a while", "busy": True}).encode()
ACCOUNTS_CAP = 4_096
"""Links that are remembered: several times what there can be."""


def _one(message: Any) -> int:
    return 1


def _ids(message: Any) -> int:
    return max(1, len(message.ids))


def _items(message: Any) -> int:
    return max(1, len(message.items))


def _sources(message: Any) -> int:
    """To unchoke all of a topic is to look through all that was choked."""
    return 1 if message.source is not None else 50


def _by_question(message: Any) -> int:
    """Questions about the past read and check whole blocks, a deep book is as long as many answers."""
    return _TOKENS.get(message.what, 1)


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second and at once, for each pair that is followed if ``per_pair``."""

    per_s: float
    burst: int
    tokens: Callable[[Any], int] = _one
    per_pair: bool = False


KNOWN_CLIENTS_QUESTIONS = 25
"""How many times the questions of a stranger a known client may ask: a gateway asks for all its users."""

RATES: dict[type[Any], Rate] = {
    g.Subscribe: Rate(1, 10),
    g.Graft: Rate(2, 10, per_pair=True),
    g.Prune: Rate(2, 10, per_pair=True),
    # GossipSub v1.1 takes 10 IHAVE messages a heartbeat.
    g.IHave: Rate(10_000, 35_000, _ids, per_pair=True),
    g.IWant: Rate(2_000, 7_000, _ids),
    g.Choke: Rate(500, 16_384, per_pair=True),  # at first one of each source
    g.Unchoke: Rate(500, 2_000, _sources, per_pair=True),
    g.Push: Rate(4_000, 16_000),
    c.Propose: Rate(200, 800, per_pair=True),
    c.CastVote: Rate(800, 4_000, per_pair=True),
    c.GiveUp: Rate(20, 100, per_pair=True),
    c.Proof: Rate(400, 2_000, per_pair=True),
    c.Status: Rate(10, 50, per_pair=True),
    c.Sync: Rate(10, 50, per_pair=True),
    c.FinalizedBlock: Rate(500, 2_000, per_pair=True),
    c.Fetch: Rate(4_000, 16_000, _ids),
    c.Bodies: Rate(4_000, 16_000, _items),
    c.FetchBlock: Rate(20, 100, per_pair=True),
    c.BlockBody: Rate(20, 100, per_pair=True),
    c.AskVotes: Rate(1, 10, per_pair=True),
    c.OwnVotes: Rate(1, 10, per_pair=True),
    r.Frontier: Rate(3, 10, per_pair=True),
    r.AskHeld: Rate(8_000, 32_000, _ids),
    r.Held: Rate(8_000, 32_000, _ids),
    q.Submit: Rate(2_000, 8_000),
    q.Watch: Rate(1, 10, per_pair=True),
    q.Query: Rate(40, 200, _by_question),
    q.AskAuthor: Rate(2, 20, per_pair=True),
    q.WatchProven: Rate(1, 10, per_pair=True),
    q.AskBlock: Rate(50, 200, per_pair=True),
    q.Follow: Rate(0.5, 10, per_pair=True),
    q.Unfollow: Rate(1, 10, per_pair=True),
}
"""By kind of message. Kinds that are missing are answers to clients."""


_TOKENS = {
    "receipt": 20,
    "explain": 20,
    "book": 5,
    "order": 2,
    "find": 2,
    "find_id": 2,
    **dict.fromkeys(("orders", "fills", "trades", "statement"), 10),
    "candles": 20,
}


class _Account:
    """What one link has left."""

    def __init__(self) -> None:
        self.buckets: dict[type[Any], TokenBucket] = {}
        self.newcomers = TokenBucket(NEWCOMERS_PER_S, NEWCOMERS_BURST)
        self.own_newcomers = TokenBucket(OWN_NEWCOMERS_PER_S, OWN_NEWCOMERS_BURST)


class Allowance:
    """The accounts of all links. ``members`` are those of the pairs' committees; ``pairs``: how many are followed.

    ``clients`` are keys of those who may bring any number of unknown authors and ask more, as they answer for others.
    """

    def __init__(
        self, members: Container[PeerId], pairs: int, refusals: Refusals, clients: Container[PublicKey] = ()
    ) -> None:
        self._members = members
        self._clients = clients
        self._known: dict[LinkId, None] = {}  # as many as there are links
        self._pairs = max(1, pairs)
        self._refusals = refusals
        self._strangers_newcomers = TokenBucket(STRANGERS_NEWCOMERS_PER_S, STRANGERS_NEWCOMERS_BURST)
        self._own_newcomers = TokenBucket(OWN_NEWCOMERS_OF_ALL_PER_S, OWN_NEWCOMERS_OF_ALL_BURST)
        self._accounts: BoundedDict[LinkId, _Account] = BoundedDict(ACCOUNTS_CAP)

    def link_up(self, link: LinkId, public_key: PublicKey) -> None:
        """Note whose a link is."""
        if public_key in self._clients:
            self._known[link] = None

    def link_down(self, link: LinkId) -> None:
        """Forget a link."""
        self._known.pop(link, None)
        self._accounts.pop(link)

    def is_member(self, link: LinkId) -> bool:
        """Whether a link is a committee member's."""
        return link in self._members

    def take(self, link: LinkId, message: Any, now: Now) -> bool:
        """Whether a link may send a message now."""
        account = self._account(link)
        kind = type(message)
        rate = RATES.get(kind)
        if rate is None:
            return True  # No peer takes it: whoever sends it is blamed for it.
        tokens = rate.tokens(message)
        bucket = account.buckets.get(kind)
        if bucket is None:
            times = self._pairs if rate.per_pair else 1
            if kind is q.Query and link in self._known:
                times = KNOWN_CLIENTS_QUESTIONS
            bucket = account.buckets[kind] = TokenBucket(rate.per_s * times, rate.burst * times)
        if not bucket.spend(now.timer_ms / 1_000, tokens):
            self._refusals.count(Scope.RATE, f"too many {kind.__name__}")
            return False
        return True

    def take_newcomer(self, link: LinkId, now: Now) -> bool:
        """Whether a link may bring one more op of an unknown author."""
        if link == LOCAL or link in self._members or link in self._known:
            return True
        account, now_s = self._account(link), now.timer_ms / 1_000
        if account.newcomers.spend(now_s):
            if account.own_newcomers.spend(now_s):
                if self._own_newcomers.spend(now_s):
                    return True
                account.own_newcomers.give_back()
            if self._strangers_newcomers.spend(now_s):
                return True
            account.newcomers.give_back()
        self._refusals.count(Scope.OP, "of an unknown author, of whom strangers brought too many")
        return False

    def _account(self, link: LinkId) -> _Account:
        account = self._accounts.get(link)
        if account is None:
            account = self._accounts[link] = _Account()
        return account


def refusal_of(message: Any) -> Any:
    """What to answer to a message that was refused; None if nobody waits for an answer."""
    match message:
        case q.Submit(op):
            return q.Ack(op.pair, op.id, q.AckLevel.REFUSED, 0, Inserted.TOO_FAST.value)
        case q.Query(number):
            return q.Answer(number, False, TOO_FAST)
        case _:
            return None
