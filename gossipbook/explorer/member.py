"""One honest member: the real replica, its journal and its round timer."""

from collections.abc import Collection
from typing import NamedTuple

from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.certificate import Timeout
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import Event, Message, PoolGrew, RoundTimer, Started
from gossipbook.consensus.messages import BlockBody, CastVote, FetchBlock, GiveUp, Propose
from gossipbook.consensus.records import (
    BlockRecord,
    Finalized,
    FinalRecord,
    ItemRecord,
    PairHalted,
    VoteRecord,
    VoteState,
)
from gossipbook.consensus.replica import Replica
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import Op
from gossipbook.crdt.op_set import OpSet
from gossipbook.effects import Blame, CoreEffect, Emit, Persist, Publish, Send, SendStored, SetTimer
from gossipbook.explorer.fingerprint import Fingerprint, MergingFingerprint, clock_stands_still
from gossipbook.explorer.named_objects import NOW, SYMBOL, NamedObjects
from gossipbook.explorer.vocabulary import (
    NONE,
    Action,
    Cast,
    Crash,
    DeliverProposal,
    Fact,
    FinalTold,
    GaveUp,
    Offer,
    RoundOver,
    Standing,
    TimeoutClaim,
    TornTurn,
)


class MergedValue(NamedTuple):
    """A member's value where states are merged."""

    standing: Standing
    replica: object
    durable: object
    timer_runs: bool


class Breach(Exception):
    """Raised when a member does in one turn what it must never do."""


class ExploredMember:
    """A replica that starts with all ops on disk. After each action :attr:`said` lists its messages, in order."""

    def __init__(self, objects: NamedObjects, fingerprint: Fingerprint, seat: int) -> None:
        self._objects = objects
        self._seat = seat
        self._fingerprint = fingerprint
        self._votes: bytes | None = None
        self._finals: list[FinalRecord] = []
        self._blocks: dict[str, Block] = {}
        self._items: dict[bytes, Op] = {item.id: item for item in objects.items.values()}
        self._timer: RoundTimer | None = None
        self._wanted: list[bytes] = []
        self._merges = objects.configuration.merges
        self.said: list[Fact] = []
        self.said_at_once: list[Fact] = []  # of those, what waits for no record of its turn
        self.offers: list[Offer] = []  # that it was given or made, in this history
        self._load()
        self._turn(PoolGrew())

    def take(self, action: Action) -> None:
        """Let one action happen to the member.

        Raises:
            Breach: the turn broke a law that shows in a single turn.
        """
        self.said, self.said_at_once = [], []
        match action:
            case Crash():
                self._timer = None
                self._load()
                self._turn(Started())
            case RoundOver():
                timer = self._timer
                if timer is not None and self._term_may_end():
                    self._timer = None
                    self._turn(timer)
            case _:
                assert not isinstance(action, TornTurn), "made of two others"
                if isinstance(action, DeliverProposal):
                    self.offers.append(action.offer)
                self._turn(Message(*self._objects.message(action)))

        self._get_blocks()

    def value(self) -> object:
        """Return the value of everything that decides what this member does from now on."""
        assert clock_stands_still(self.replica)
        if isinstance(self._fingerprint, MergingFingerprint):
            return self._merged_value(self._fingerprint)
        fingerprint, fin = self._fingerprint, self.replica.fin
        durable = None if self._votes is None else fingerprint.durable(self._votes)
        waiting = frozenset(name for name, block in self._blocks.items() if block.height > fin)
        finals = tuple((self._objects.names[f.block.id], f.fc.term) for f in self._finals)
        return fingerprint.of(self.replica), durable, waiting, finals, self._timer is not None

    def _merged_value(self, fingerprint: MergingFingerprint) -> "MergedValue":
        """The final blocks follow from the tip; what is durable matters only where there are restarts.

        A timer of a round that is over does nothing when it fires.
        """
        standing = fingerprint.standing(self.replica)
        may_crash = self._objects.configuration.restarts != 0
        durable = fingerprint.of_durable(self._votes) if may_crash else None
        timer = self._timer
        runs = timer is not None and not standing.timed_out and not self.replica.pacing.is_over(timer)
        return MergedValue(standing, fingerprint.of_replica(self.replica), durable, runs)

    def _get_blocks(self) -> None:
        """Where states are merged, a block comes as soon as it is asked for."""
        objects = self._objects
        while self._merges and self._wanted:
            block = objects.block(objects.names[self._wanted.pop()])
            liar = objects.keys[objects.configuration.liar].peer_id
            self._turn(Message(liar, BlockBody(SYMBOL, objects.committee.epoch, block.raw)))

    def _term_may_end(self) -> bool:
        c = self._objects.configuration
        return c.last_term_ends or self.replica.member.ballot.term < c.terms - 1

    # -- parts --------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Restart from what is durable, with every vote accounted for."""
        objects = self._objects
        certified = Interpretation(objects.manifest, SYMBOL)
        ops = OpSet(certified, objects.manifest.limits)
        self.replica = Replica(
            manifest=objects.manifest,
            committee=objects.committee,
            seat=self._seat,
            identity=objects.keys[self._seat],
            verifier=objects.verifier,
            certified=certified,
            ops=ops,
            votes=None if self._votes is None else VoteState.decode(self._votes),
            config=ConsensusConfig(newcomer_pause_ms=0, proposals_apart_ms=0),  # The clock stands still.
        )
        done: set[bytes] = set()
        for final in self._finals:
            items = [self._items[op_id] for op_id in final.block.op_ids]
            assert self.replica.replay(final.block, final.fc, list(items)), "a finalized block does not replay"
            done |= set(final.block.op_ids)
        for item in self._items.values():
            self.replica.stored(item)
            if item.id not in done:
                ops.insert(item, NOW.timer_ms, solicited=True)
        self.replica.restore([b for b in self._blocks.values() if b.height > self.replica.fin], NOW)
        self.replica.member.settled = True

    def _turn(self, event: Event) -> None:
        ballot, proposed = self.replica.member.ballot, self.replica.member.proposed
        state = ballot.state
        # What is sent again was told before.
        before = {*state.prepared, *state.committed, state.timeout, *(m.signature for _, m in proposed.values())}
        try:
            effects = self.replica.handle(event, NOW)
        except AssertionError as error:
            raise Breach(f"an assertion of the core failed in {_place(error)}") from error
        left = False
        for effect in effects:
            if isinstance(effect, Persist):
                if left:
                    raise Breach("a record after an output of the same turn")
                self._persist(effect.record)
            elif isinstance(effect, SetTimer):
                if isinstance(effect.timer, RoundTimer):
                    self._timer = effect.timer
            else:
                # What is sent at once rests on no record, and so may be ahead of any.
                is_at_once, told = isinstance(effect, Send) and effect.at_once, len(self.said)
                left = left or not is_at_once
                self._leave(effect, before)
                if is_at_once:
                    self.said_at_once += self.said[told:]

    def _persist(self, record: object) -> None:
        match record:
            case VoteRecord(_, _, state):
                self._votes = state
            case FinalRecord():
                self._finals.append(record)
            case BlockRecord(_, block):
                self._blocks[self._objects.learn(block)] = block
            case ItemRecord():
                pass  # All ops are in the journal from the start.
            case _:
                raise AssertionError(record)

    def _leave(self, effect: CoreEffect, before: Collection[object]) -> None:
        match effect:
            case Send(_, CastVote(_, _, vote), _) if vote in before:
                pass
            case Send(_, GiveUp() as message, _) if message.timeout in before:
                pass
            case Send(_, Propose() as message, _) if message.signature in before:
                pass
            case Send(_, FetchBlock(_, _, block_id), _):
                self._wanted.append(block_id)
            case Send(_, CastVote(_, _, vote), _) if vote.seat == self._seat:
                self._say(Cast(vote.kind, vote.term, vote.height, self._objects.names[vote.block_id]))
            case Send(_, GiveUp() as message, _) if message.timeout.seat == self._seat:
                self.said.append(GaveUp(message.timeout.term, self._claim(message.timeout, message)))
            case Send(_, Propose() as message, _):
                offer = self._objects.offer(message, decode_block(message.block))
                self.offers.append(offer)
                self._say(offer)
            case Emit(Finalized(_, block, _, _, _)):
                self._say(FinalTold(block.height, self._objects.learn(block)))
            case Emit(PairHalted(_, reason, _)):
                raise Breach(f"the pair stopped as {reason}")
            case Send() | SendStored() | Publish() | Emit() | Blame():
                pass  # Relays, requests and answers: whatever they lead to may happen anyhow.
            case _:
                raise AssertionError(effect)

    def _say(self, fact: Cast | Offer | FinalTold) -> None:
        """Note a message, if its height is within the bounds."""
        if fact.height <= self._objects.configuration.heights:
            self.said.append(fact)

    def _claim(self, timeout: Timeout, message: GiveUp) -> TimeoutClaim:
        names = self._objects.names
        fin_term = NONE if message.fc is None else message.fc.term
        lock_term = NONE if timeout.lock_term is None else timeout.lock_term
        return TimeoutClaim(timeout.fin, names[timeout.fin_id], fin_term, lock_term, names[timeout.lock_id])


def _place(error: AssertionError) -> str:
    """Return the name of the function in which an assertion failed."""
    at = error.__traceback__
    assert at is not None
    while at.tb_next is not None:
        at = at.tb_next
    return at.tb_frame.f_code.co_qualname
