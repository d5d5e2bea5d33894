"""The author core: signs one author's ops, and sees to it that each of them is certified.

Pure: events in, effects out. A wallet drives it in real programs, the simulator in simulated ones. The package
docstring has its rules.
"""

from collections.abc import Callable

from gossipbook.client_messages import Ack, AckLevel, AskBlock
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Emit, Lane, LinkId, Now, Persist, Send, SetTimer
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import ChainId, PublicKey
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest
from gossipbook.trade.author_events import (
    Acked,
    AuthorConfig,
    AuthorEvent,
    BlockSeen,
    BlockTimer,
    FollowBlocks,
    HeadTimer,
    Hold,
    LinkDown,
    LinkUp,
    OpCertified,
    OpLevel,
    OpLost,
    OpRecord,
    OpTrouble,
    Reloaded,
    ResendTimer,
    Sign,
    Signed,
    Withheld,
    WordHeard,
)
from gossipbook.trade.author_state import KeyInPair, KeyState, LinkState
from gossipbook.trade.blocks import CheckedBlock, certified_outcomes
from gossipbook.trade.delivery import Delivery
from gossipbook.trade.head_finding import HeadFinding
from gossipbook.trade.lives import Lives
from gossipbook.trade.op_chain import OpChain, StoredChain
from gossipbook.trade.outcome import NothingToSign

HEAD_REFUSALS = frozenset({"stale", "wrong-prev", "author-frozen", "equivocation"})
"""A peer knows something else of the author's chain than this core does: it is asked what."""


DOUBTFUL_TRIES = 2
"""After so many tries to have ops certified peers are asked whether they still know the key."""


class AuthorCore:
    """One author in one network."""

    def __init__(
        self,
        identity: Identity | None,
        chain_id: ChainId,
        stored: Callable[[str], StoredChain],
        *,
        author: PublicKey | None = None,
        verifier: Verifier | None = None,
        config: AuthorConfig | None = None,
    ) -> None:
        """``stored`` gives what the wallet holds of a pair, when the pair is first used.

        Without an ``identity`` the core signs nothing, and follows ops of the ``author`` that were signed elsewhere.
        """
        self.config = config or AuthorConfig()
        author = identity.public_key if identity is not None else author
        assert author is not None
        self._state = KeyState(author, identity, chain_id, stored, verifier or Verifier(), self.config)
        self._delivery = Delivery(self._state)
        self._lives = Lives(self._state)
        self._heads = HeadFinding(self._state, self._delivery, self._lives)

    def join(self, manifest: Manifest) -> None:
        """Learn the manifest of the chain's network; before anything else."""
        assert manifest.chain_id == self._state.chain_id
        self._state.manifest = manifest
        self._state.limits = manifest.limits

    # -- questions ----------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        """The network's, as far as it is known."""
        return self._state.limits

    @property
    def author(self) -> PublicKey:
        """Whose ops they are."""
        return self._state.author

    @property
    def joined(self) -> bool:
        return self._state.manifest is not None

    def chain(self, symbol: str) -> OpChain:
        """An author's chain in a pair, to be read."""
        return self._state.chain(symbol)

    def expiry_ms(self, symbol: str, wanted_ms: int, now: Now) -> int:
        """When the next op of a pair expires, if it is wanted to so: a life's first op cannot wait for ever."""
        return self._lives.expiry_ms(symbol, wanted_ms, now)

    def loaded(self) -> list[str]:
        """The pairs whose chains were read out of the wallet, whether or not they are in use."""
        return self._state.loaded()

    def hold(self, symbol: str) -> tuple[Hold | None, str]:
        """Why nothing is signed in a pair now, and that in words."""
        pair, config = self._state.pair(symbol), self.config
        if pair.hold is not None:
            return pair.hold, pair.hold_text
        if not pair.settled:
            return Hold.NO_ANSWER, "no peer has said yet what this key signed before"
        flying = pair.chain.next_seq - pair.chain.certified_seq
        if flying >= min(config.in_flight_cap, self._state.limits.author_window):
            return Hold.IN_FLIGHT, f"{flying} ops of this key are not certified yet"
        return None, ""

    # -- driving ------------------------------------------------------------------------------------

    def handle(self, event: AuthorEvent, now: Now) -> list[Effect]:
        """Take one event; effects in the order in which they are to be performed."""
        match event:
            case Sign():
                return self._on_sign(event, now)
            case Acked(link, ack):
                return self._on_ack(link, ack, now)
            case BlockSeen(block):
                return self._on_block(block, now)
            case FollowBlocks(op):
                return self._on_follow(op, now)
            case LinkUp():
                return self._on_link_up(event, now)
            case LinkDown(link):
                return self._on_link_down(link, now)
            case Reloaded(symbol, stored):
                return self._on_reloaded(symbol, stored, now)
            case WordHeard(link, word):
                pair = self._state.pairs.get(word.pair)
                known = pair is not None and link in self._state.links
                return self._heads.hear(pair, link, word, now) if pair is not None and known else []
            case ResendTimer(symbol):
                return self._on_resend(self._state.pair(symbol), now)
            case HeadTimer(symbol):
                return self._heads.settle(self._state.pair(symbol), now)
            case BlockTimer():
                return self._on_block_timer(event)

    def open(self, symbol: str, now: Now) -> list[Effect]:
        """Begin to use a pair: ask what the key signed in it, and send what is not certified."""
        if symbol in self._state.pairs:
            return []
        pair = self._state.pair(symbol)
        return [*self._heads.begin(pair, now), *self._delivery.send_new(pair, now)]

    # -- signing ------------------------------------------------------------------------------------

    def _on_sign(self, event: Sign, now: Now) -> list[Effect]:
        effects = self.open(event.pair, now)
        hold, text = self.hold(event.pair)
        if hold is not None:
            return [*effects, Emit(Withheld(event.request, hold, text))]
        pair, state = self._state.pair(event.pair), self._state
        assert state.identity is not None
        try:
            commands = event.make(pair.chain.last_client_id + 1)
            if not commands:
                raise NothingToSign
            expiry_ms = self._lives.expiry_ms(event.pair, event.expiry_ms, now)
            op = pair.chain.sign(state.identity, state.chain_id, event.pair, commands, expiry_ms, state.limits)
        except Exception as error:  # noqa: BLE001 - whoever made the commands gets what is wrong with them
            return [*effects, Emit(Withheld(event.request, None, str(error), error))]
        if self.config.want_outcomes:
            pair.wanted[op.id] = None
        effects += [Persist(OpRecord(op)), Emit(Signed(event.request, op))]
        return effects + self._delivery.send_new(pair, now)

    def _on_reloaded(self, symbol: str, stored: StoredChain, now: Now) -> list[Effect]:
        before = self._state.chain(symbol)
        chain = OpChain(stored)
        chain.certify(before.certified_seq, before.certified_height)
        self._state.replace_chain(symbol, chain)
        pair = self._state.pairs.get(symbol)
        if pair is None:
            return []
        if pair.chain.next_seq < before.next_seq and self.config.ask_heads:
            # What is gone was never recorded: perhaps ops that peers had proven. They are asked once more.
            pair.settled = False
            return [effect for each in self._state.links for effect in self._heads.ask(pair, each, now)]
        self._delivery.send_again_from(pair, stored.next_seq)
        certified = [op for op in before.waiting() if op.seq < chain.certified_seq]  # as another program saw first
        return [*self._delivery.ask_outcomes(pair, certified, now), *self._delivery.send_new(pair, now)]

    def _on_follow(self, op: Op, now: Now) -> list[Effect]:
        effects = self.open(op.pair, now)
        pair = self._state.pair(op.pair)
        pair.wanted[op.id] = None
        if op.id in pair.chain.by_id:
            self._delivery.send_again_from(pair, op.seq)
        elif op.seq >= pair.chain.next_seq:
            pair.chain.extend(op)
        else:
            pair.unseen[op.id] = op
            for link in self._state.targets(pair)[: self.config.copies]:
                effects += self._delivery.submit(pair, link, [op], now)
        return effects + self._delivery.send_new(pair, now)

    def _on_resend(self, pair: KeyInPair, now: Now) -> list[Effect]:
        effects = self._delivery.resend(pair, now)
        if self._lives.matter and pair.tries >= DOUBTFUL_TRIES and pair.chain.ops:
            for link in self._state.links:  # Perhaps nobody knows the key any more.
                effects += self._heads.ask(pair, link, now)
        return effects

    # -- links --------------------------------------------------------------------------------------

    def _on_link_up(self, event: LinkUp, now: Now) -> list[Effect]:
        self._state.links[event.link] = LinkState(event.public_key, event.own)
        effects: list[Effect] = []
        for pair in self._state.pairs.values():
            if not pair.settled or pair.hold is not None:
                effects += self._heads.ask(pair, event.link, now)
            effects += self._delivery.send_new(pair, now)
        return effects

    def _on_link_down(self, link: LinkId, now: Now) -> list[Effect]:
        """What was only sent over this link goes to another one now, not when somebody loses patience."""
        self._state.links.pop(link, None)
        effects: list[Effect] = []
        for pair in self._state.pairs.values():
            effects += self._delivery.send_new(pair, now)
            if not pair.settled:
                effects += self._heads.settle(pair, now)
        return effects

    # -- acks and blocks ----------------------------------------------------------------------------

    def _on_ack(self, link: LinkId, ack: Ack, now: Now) -> list[Effect]:
        pair, state = self._state.pairs.get(ack.pair), self._state.links.get(link)
        op = None if pair is None else (pair.chain.by_id.get(ack.op_id) or pair.unseen.get(ack.op_id))
        if pair is None or state is None or op is None:
            return []
        if ack.level == AckLevel.REFUSED:
            effects: list[Effect] = [Emit(OpTrouble(op.id, ack.reason, link))]
            if op.id in pair.unseen and ack.reason == "stale":
                pair.unseen.pop(op.id)
                pair.wanted.pop(op.id)
                return [*effects, Emit(OpLost(op.id))]
            if ack.reason == Inserted.LIFE_OVER.value:
                return effects + self._lives.refused(pair, op, state.public_key, now)
            return effects + (self._heads.ask(pair, link, now) if ack.reason in HEAD_REFUSALS else [])
        effects = [Emit(OpLevel(op.id, ack.level, ack.height, state.own))]
        if ack.level == AckLevel.CERTIFIED:
            if not self.config.want_outcomes and state.own:  # Nobody wants to know what the op did.
                effects += self._delivery.certify(pair, op.seq + 1, ack.height, now)
                return effects + self._delivery.send_new(pair, now)  # What the window had no room for.
            effects += self._await_block(pair, ack.height, link, now)
        return effects

    def _await_block(self, pair: KeyInPair, height: int, link: LinkId, now: Now) -> list[Effect]:
        """Give the block that an ack names some time to come by itself; whoever named it is asked for it then."""
        asked_ms = pair.asked_blocks.get((height, link))
        if asked_ms is not None and now.timer_ms < asked_ms + self.config.resend_ms:
            return []
        pair.asked_blocks[height, link] = now.timer_ms
        return [SetTimer(self.config.block_patience_ms, BlockTimer(pair.symbol, height, link))]

    def _on_block_timer(self, event: BlockTimer) -> list[Effect]:
        pair = self._state.pair(event.pair)
        waiting = pair.chain.ops or len(pair.unseen)
        asked = (event.height, event.link) in pair.asked_blocks
        if not waiting or event.link not in self._state.links or not asked:
            return []
        return [Send((event.link,), AskBlock(event.pair, event.height), Lane.SYNC)]

    def _on_block(self, block: CheckedBlock, now: Now) -> list[Effect]:
        pair = self._state.pairs.get(block.pair)
        if pair is None:
            return []
        pair.term = max(pair.term, block.term)
        named = set(block.block.op_ids)
        mine = [op for op in pair.chain.waiting() if op.id in named]
        late = [op for op in pair.unseen.values() if op.id in named]
        for link in self._state.links:
            pair.asked_blocks.pop((block.block.height, link))
        if not mine and not late:
            return self._mind_life(pair, block, now)
        told = sorted((*late, *mine), key=lambda op: op.seq)
        outcomes = zip(told, certified_outcomes(told, block), strict=True)
        effects: list[Effect] = [Emit(OpCertified(op, outcome)) for op, outcome in outcomes]
        for op in told:
            pair.unseen.pop(op.id)
            pair.wanted.pop(op.id)
        if mine:
            effects += self._delivery.certify(pair, mine[-1].seq + 1, block.block.height, now)
            effects += self._delivery.send_new(pair, now)
        return effects + self._mind_life(pair, block, now)

    def _mind_life(self, pair: KeyInPair, block: CheckedBlock, now: Now) -> list[Effect]:
        """See what a block says of the author's life; ask if it may be over."""
        effects, doubtful = self._lives.saw(pair, block, now)
        for link in self._state.links if doubtful else ():
            effects += self._heads.ask(pair, link, now)
        return effects
