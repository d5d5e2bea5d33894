"""Sees to it that every signed op reaches peers, again and again, until it is certified."""

from collections.abc import Sequence

from gossipbook.client_messages import Submit
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Emit, Lane, LinkId, Now, Send, SetTimer
from gossipbook.trade.author_events import Hold, MayChange, ResendTimer
from gossipbook.trade.author_state import KeyInPair, KeyState


class Delivery:
    """Sends ops, and stops once they are certified."""

    def __init__(self, state: KeyState) -> None:
        self._state = state
        self._config = state.config

    def send_new(self, pair: KeyInPair, now: Now) -> list[Effect]:
        """Send what was not sent yet, in order, over the best links."""
        effects: list[Effect] = []
        if not self._may_send(pair):
            return effects
        for link in self._state.targets(pair)[: self._config.copies]:
            sent, chain = self._state.links[link].sent, pair.chain
            last = chain.certified_seq + self._state.limits.author_window  # Peers take none beyond.
            ops = chain.waiting(max(sent.get(pair.symbol, 0), chain.certified_seq))
            ops = [op for op in ops if op.seq < last]
            if ops:
                sent[pair.symbol] = ops[-1].seq + 1
                effects += self.submit(pair, link, ops, now)
        return effects + self.mind(pair)

    def send_again_from(self, pair: KeyInPair, seq: int) -> None:
        """Forget that ops from a number on were sent."""
        for link in self._state.links.values():
            link.sent[pair.symbol] = min(link.sent.get(pair.symbol, 0), seq)

    def submit(self, pair: KeyInPair, link: LinkId, ops: Sequence[Op], now: Now) -> list[Effect]:
        """Send some ops over one link. When is noted for those alone that are sent until they are certified."""
        for op in ops:
            if op.id in pair.chain.by_id:
                pair.sent_ms[op.id] = now.timer_ms
        return [Send((link,), Submit(op), Lane.OPS) for op in ops]

    def mind(self, pair: KeyInPair) -> list[Effect]:
        """Let the timer for sending again run while something is not certified."""
        if pair.resending or not (pair.chain.ops or len(pair.unseen)):
            return []
        pair.resending = True
        pair.resend_ms = pair.resend_ms or self._config.resend_ms
        return [SetTimer(pair.resend_ms, ResendTimer(pair.symbol))]

    def resend(self, pair: KeyInPair, now: Now) -> list[Effect]:
        """Send the oldest ops again to the next link, if they were sent long enough ago."""
        pair.resending = False
        targets = self._state.targets(pair)
        if not targets or not self._may_send(pair):
            return self.mind(pair)
        late_ms = now.timer_ms - self._config.resend_ms
        due = [op for op in pair.chain.waiting() if pair.sent_ms.get(op.id, 0) <= late_ms]
        due = due[: self._config.resends_at_once]
        if due:
            pair.tries += 1
            pair.resend_ms = min(2 * pair.resend_ms, self._config.resend_cap_ms)
        unseen = list(pair.unseen.values())[: self._config.resends_at_once]
        link = targets[pair.tries % len(targets)]
        return [*self.submit(pair, link, [*unseen, *due], now), *self.mind(pair)]

    def certify(self, pair: KeyInPair, next_seq: int, height: int, now: Now) -> list[Effect]:
        """Note that all ops below a number are certified; ask for the outcomes that somebody waits for."""
        news = pair.chain.certify(next_seq, height)
        pair.resend_ms, pair.tries = self._config.resend_ms, 0
        return [pair.record(), Emit(MayChange(pair.symbol)), *self.ask_outcomes(pair, news, now)]

    def ask_outcomes(self, pair: KeyInPair, certified: Sequence[Op], now: Now) -> list[Effect]:
        """Ask what certified ops did whose block was not seen, where somebody waits for it."""
        for op in certified:
            pair.sent_ms.pop(op.id, None)
        unseen = [op for op in certified if op.id in pair.wanted]
        for op in unseen:
            pair.unseen[op.id] = op
        effects: list[Effect] = []
        targets = self._state.targets(pair)
        if unseen and targets:  # Whoever has them certified answers with their height.
            effects += self.submit(pair, targets[0], unseen[-self._config.resends_at_once :], now)
        return effects + self.mind(pair)

    def _may_send(self, pair: KeyInPair) -> bool:
        """Not before it is known what the key signed elsewhere: two ops with one number would freeze it."""
        return pair.settled and pair.hold not in (Hold.KEY_USED_ELSEWHERE, Hold.KEY_FROZEN)
