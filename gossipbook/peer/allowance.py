"""What each link may ask of this peer: so many messages of a kind, and together no more than a share of its work.

**Kinds.** Each link has a token bucket for each kind of message (:data:`RATES`). A message takes as many tokens as it
has ids or items. Rates are several times what an honest link was seen to need, so that they bound a flood and nothing
else.

**Share.** All links but those of members may together take :data:`STRANGERS_US_PER_S` of work, by what a message of its
kind costs. Where they want more, nobody gets more than an equal part, and who wants less than that gets all of it: so
that a flood takes from whoever floods. An equal part is worked out once a second from what was wanted lately.

What is refused is counted, and changes nothing else.
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
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict
from gossipbook.peer.events import LOCAL
from gossipbook.refusals import Refusals, Scope

STRANGERS_US_PER_S = 250_000
"""Microseconds of work a second for links of others than members: a quarter of a core."""
WANTED_DECAY = 0.9
"""How much of what a link wanted in one second still counts in the next, so that pauses gain nothing."""
NEWCOMERS_PER_S, NEWCOMERS_BURST = 5, 100
"""Ops of unknown authors that a stranger's link may bring: keys are free, places in a pair's table are not."""
REPEATED_US = 20
"""Work of a message that was here before."""
TOO_FAST = json.dumps({"error": "more questions than a link may ask; ask again in a while"}).encode()
ACCOUNTS_CAP = 4_096
"""Links that are remembered: several times what there can be."""


def _one(message: Any) -> int:
    return 1


def _ids(message: Any) -> int:
    return max(1, len(message.ids))


def _items(message: Any) -> int:
    return max(1, len(message.items))


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second and at once, for each pair that is followed if ``per_pair``; and what the work costs.

    ``work_us``: microseconds for a message, and ``token_us`` for each of its tokens; measured by
    ``benchmarks/messages.py``.
    """

    per_s: int
    burst: int
    work_us: int
    token_us: int = 0
    tokens: Callable[[Any], int] = _one
    per_pair: bool = False


RATES: dict[type[Any], Rate] = {
    g.Subscribe: Rate(1, 10, 500),
    g.Graft: Rate(2, 10, 50, per_pair=True),
    g.Prune: Rate(2, 10, 50, per_pair=True),
    # GossipSub v1.1 takes 10 IHAVE messages a heartbeat.
    g.IHave: Rate(10_000, 35_000, 100, 1, _ids, per_pair=True),
    g.IWant: Rate(2_000, 7_000, 100, 10, _ids),
    g.Push: Rate(4_000, 16_000, 300),
    c.Propose: Rate(100, 400, 1_000, per_pair=True),
    c.CastVote: Rate(400, 2_000, 200, per_pair=True),
    c.GiveUp: Rate(20, 100, 500, per_pair=True),
    c.Proof: Rate(200, 1_000, 500, per_pair=True),
    c.Status: Rate(10, 50, 50, per_pair=True),
    c.Sync: Rate(40, 200, 1_000, per_pair=True),
    c.FinalizedBlock: Rate(500, 2_000, 500, per_pair=True),
    c.Fetch: Rate(4_000, 16_000, 100, 10, _ids),
    c.Bodies: Rate(4_000, 16_000, 100, 200, _items),
    c.FetchBlock: Rate(20, 100, 200, per_pair=True),
    c.BlockBody: Rate(20, 100, 200, per_pair=True),
    c.AskVotes: Rate(1, 10, 100, per_pair=True),
    c.OwnVotes: Rate(1, 10, 500, per_pair=True),
    r.Frontier: Rate(3, 10, 1_000, per_pair=True),
    r.AskHeld: Rate(8_000, 32_000, 100, 2, _ids),
    r.Held: Rate(8_000, 32_000, 100, 2, _ids),
    q.Submit: Rate(2_000, 8_000, 300),
    q.Watch: Rate(2, 20, 100, per_pair=True),
    q.Query: Rate(100, 500, 300),
    q.AskAuthor: Rate(20, 200, 500, per_pair=True),
    q.WatchProven: Rate(2, 20, 100, per_pair=True),
    q.AskBlock: Rate(100, 500, 500, per_pair=True),
    q.Follow: Rate(2, 20, 1_000, per_pair=True),
    q.Unfollow: Rate(2, 20, 50, per_pair=True),
}
"""By kind of message. Kinds that are missing are answers to clients."""


class _Account:
    """What one link has left, and what it wanted."""

    def __init__(self) -> None:
        self.buckets: dict[type[Any], TokenBucket] = {}
        self.newcomers = TokenBucket(NEWCOMERS_PER_S, NEWCOMERS_BURST)
        self.used_us = 0
        self.wanted_us = 0
        self.lately_us = 0.0


class Allowance:
    """The accounts of all links. ``members`` are those of the pairs' committees; ``pairs``: how many are followed."""

    def __init__(self, members: Container[PeerId], pairs: int, refusals: Refusals) -> None:
        self._members = members
        self._pairs = max(1, pairs)
        self._refusals = refusals
        self._accounts: BoundedDict[LinkId, _Account] = BoundedDict(ACCOUNTS_CAP)
        self._part_us = float(STRANGERS_US_PER_S)  # nobody gets more in one second
        self._renewed_ms: int | None = None

    def link_down(self, link: LinkId) -> None:
        """Forget a link."""
        self._accounts.pop(link)

    def is_member(self, link: LinkId) -> bool:
        """Whether a link is a committee member's."""
        return link in self._members

    def take(self, link: LinkId, message: Any, now: Now, *, is_repeated: bool) -> bool:
        """Whether a link may send a message now. ``is_repeated``: it was here before, so that it makes no work."""
        account = self._account(link)
        kind = type(message)
        rate = RATES.get(kind)
        if rate is None:
            return True  # No peer takes it: whoever sends it is blamed for it.
        tokens = rate.tokens(message)
        bucket = account.buckets.get(kind)
        if bucket is None:
            times = self._pairs if rate.per_pair else 1
            bucket = account.buckets[kind] = TokenBucket(rate.per_s * times, rate.burst * times)
        if not bucket.spend(now.timer_ms / 1_000, tokens):
            self._refusals.count(Scope.RATE, f"too many {kind.__name__}")
            return False
        if link in self._members:
            return True
        work_us = REPEATED_US if is_repeated else rate.work_us + rate.token_us * tokens
        account.wanted_us += work_us
        if account.used_us + work_us > self._part_us:
            self._refusals.count(Scope.RATE, "more than a link's share of work")
            return False
        account.used_us += work_us
        return True

    def take_newcomer(self, link: LinkId, now: Now) -> bool:
        """Whether a link may bring one more op of an unknown author."""
        if link == LOCAL or link in self._members or self._account(link).newcomers.spend(now.timer_ms / 1_000):
            return True
        self._refusals.count(Scope.RATE, "too many ops of unknown authors")
        return False

    def _account(self, link: LinkId) -> _Account:
        account = self._accounts.get(link)
        if account is None:
            account = self._accounts[link] = _Account()
        return account

    def renew(self, now: Now) -> None:
        """Begin another second; call it about once a second."""
        budget_us = float(STRANGERS_US_PER_S)
        if self._renewed_ms is not None:
            budget_us *= min(max(now.timer_ms - self._renewed_ms, 0), 2_000) / 1_000
        self._renewed_ms = now.timer_ms
        for account in self._accounts.values():
            account.lately_us = max(account.wanted_us, account.lately_us * WANTED_DECAY)
            account.used_us = account.wanted_us = 0
        self._part_us = equal_part([account.lately_us for account in self._accounts.values()], budget_us)


def refusal_of(message: Any) -> Any:
    """What to answer to a message that was refused; None if nobody waits for an answer."""
    match message:
        case q.Submit(op):
            return q.Ack(op.pair, op.id, q.AckLevel.REFUSED, 0, Inserted.TOO_FAST.value)
        case q.Query(number):
            return q.Answer(number, False, TOO_FAST)
        case _:
            return None


def equal_part(wanted: list[float], budget: float) -> float:
    """The most that anybody gets where all together get at most a budget, and nobody less than others for no reason.

    Who wants less than that gets what they want. With nobody to share with it is the budget.
    """
    left, rest = budget, len(wanted)
    for amount in sorted(wanted):
        if amount * rest > left:
            return left / rest
        left -= amount
        rest -= 1
    return budget
