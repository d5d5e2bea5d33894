"""One replica under test among members whose messages are made with their real keys.

A :class:`Bench` understands the commands of the scripts in ``tests/scripts`` and renders effects as lines. Seats
are called a, b, c, … in committee order, so that seat a leads term 0; blocks and ops have the names that a script
gives them.
"""

import hashlib
import heapq
from collections import Counter
from typing import Any

import transcript

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import Certificate, TermChange, Timeout, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import (
    Event,
    GraceTimer,
    MemberUp,
    Message,
    PoolGrew,
    RelayTimer,
    RetryTimer,
    RoundTimer,
    SettleTimer,
    Started,
    WakeTimer,
)
from gossipbook.consensus.messages import (
    AskVotes,
    BlockBody,
    CastVote,
    Fetch,
    FetchBlock,
    FinalizedBlock,
    GiveUp,
    OwnVotes,
    Proof,
    Propose,
    Status,
    Sync,
)
from gossipbook.consensus.records import (
    BlockRecord,
    Finalized,
    FinalRecord,
    ItemRecord,
    PairHalted,
    Prepared,
    TermChanged,
    VoteRecord,
    VoteState,
)
from gossipbook.consensus.replica import Replica
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op, sign_op
from gossipbook.crdt.op_set import OpSet
from gossipbook.crdt.stays import STAYS_SINCE
from gossipbook.effects import Blame, CoreEffect, Emit, Now, Persist, Publish, Send, SendStored, SetTimer
from gossipbook.identity import DOMAIN_PROPOSE, DOMAIN_TIMEOUT, DOMAIN_VOTE, Identity, Verifier
from gossipbook.ids import ZERO_DIGEST, PeerId
from gossipbook.limits import Limits, Timing
from gossipbook.manifest import Manifest, Matcher, Pair, Quorum
from gossipbook.matching.commands import Cancel, CancelAll, Command, OrderType, Place, Side, TimeInForce
from gossipbook.peer.events import AskTimer

SYMBOL = "GOLD/USD"
START_MS = 1_700_000_000_000
SEATS = "abcdefg"

VERIFIER = Verifier()  # verdicts are pure, so that all benches may share them


def identity(name: str) -> Identity:
    return Identity(hashlib.sha256(name.encode()).digest())


def network(n: int = 4, fault_model: str = "byzantine", **parts: Any) -> tuple[Manifest, list[Identity]]:
    """A manifest of ``n`` matchers of as many operators, all seated, and their identities; of the first rules."""
    identities = [identity(f"matcher {i}") for i in range(n)]
    matchers = tuple(Matcher(f"m{i}", key.public_key, f"operator {i}") for i, key in enumerate(identities))
    pairs = parts.pop("pairs", (Pair(SYMBOL),))
    parts.setdefault("rules_version", 1)
    limits = Limits.of(parts["rules_version"], **parts.pop("limits", {}))
    timing = Timing(**parts.pop("timing", {}))
    manifest = Manifest("test", pairs, matchers, n, fault_model=fault_model, limits=limits, timing=timing, **parts)
    return manifest, identities


def seated(manifest: Manifest, identities: list[Identity], symbol: str = SYMBOL) -> list[Identity]:
    """The identities in the order of their seats."""
    committee = Committee.of(manifest, manifest.chain_id, symbol)
    by_key = {key.public_key: key for key in identities}
    return [by_key[matcher.public_key] for matcher in committee.seats]


def buy(client_id: int, price: int = 100, qty: int = 5) -> Place:
    return Place(client_id, Side.BUY, OrderType.LIMIT, price, qty, TimeInForce.GTC)


def sell(client_id: int, price: int = 100, qty: int = 5) -> Place:
    return Place(client_id, Side.SELL, OrderType.LIMIT, price, qty, TimeInForce.GTC)


class Bench:
    """One member (or a follower, ``me=None``), its journal, its clock, and the keys of all the others."""

    replica_class: type[Replica] = Replica

    def __init__(self, me: str | None = "b", n: int = 4, fault_model: str = "byzantine", **parts: Any) -> None:
        self.manifest, identities = network(n, fault_model, **parts)
        self.committee = Committee.of(self.manifest, self.manifest.chain_id, SYMBOL)
        self.keys = seated(self.manifest, identities)
        self.seat = None if me is None else SEATS.index(me)
        self.me = identity("follower") if self.seat is None else self.keys[self.seat]
        self.q = self.committee.quorum.q
        self.timer_ms = 0
        self.blocks: dict[str, Block] = {}
        self.parents: dict[str, str] = {}
        self.contents: dict[str, list[Item]] = {}
        self.ops: dict[str, Item] = {}
        self.heads: dict[str, tuple[int, bytes]] = {}
        self.sent: list[Any] = []  # every message that left, in order
        self.received: list[Any] = []
        self.turns: list[list[CoreEffect]] = []
        self.finalized: list[bytes] = []
        self.faults: Counter[str] = Counter()  # what senders were blamed for
        self.journal: list[object] = []  # records that are durable
        self._timers: list[tuple[int, int, object]] = []
        self._serial = 0
        self._boot(None, [], [], [])
        self.replica.member.settled = True

    # -- the member's life --------------------------------------------------------------------------

    config = ConsensusConfig(newcomer_pause_ms=0, proposals_apart_ms=0)
    """Almost everybody is a newcomer on a bench."""

    def _boot(
        self,
        votes: VoteState | None,
        chain: list[FinalRecord],
        blocks: list[Block],
        items: list[Item],
    ) -> None:
        self.certified = Interpretation(self.manifest, SYMBOL)
        self.op_set = OpSet(self.certified, self.manifest.limits)
        self.replica = self.replica_class(
            manifest=self.manifest,
            committee=self.committee,
            seat=self.seat,
            identity=self.me,
            verifier=VERIFIER,
            certified=self.certified,
            ops=self.op_set,
            votes=votes,
            config=self.config,
        )
        held = {item.id: item for item in items}
        final_ids = set()
        for record in chain:
            named = [held[op_id] for op_id in record.block.op_ids]
            assert self.replica.replay(record.block, record.fc, named)
            final_ids |= set(record.block.op_ids)
        for item in items:
            if item.id not in final_ids:
                self.replica.stored(item)
                if isinstance(item, Evidence):
                    self.op_set.add_evidence(item, self.timer_ms)
                else:
                    self.op_set.insert(item, self.timer_ms, solicited=True)
        self.replica.restore([b for b in blocks if b.height > self.replica.fin], self.now())

    def now(self) -> Now:
        return Now(START_MS + self.timer_ms, self.timer_ms)

    def turn(self, event: Event) -> list[CoreEffect]:
        """Handle one event and perform its effects, holding every turn to the ordering law."""
        effects = self.replica.handle(event, self.now())
        self.perform(effects)
        return effects

    def perform(self, effects: list[Any], *, records_first: bool = True) -> None:
        """Do what the effects of one turn say."""
        self.turns.append(effects)
        left = False
        for effect in effects:
            match effect:
                case Persist(record):
                    assert not (left and records_first), "a record after something that leaves, in one turn"
                    self.journal.append(record)
                case SetTimer(after_ms, timer):
                    self._serial += 1
                    heapq.heappush(self._timers, (self.timer_ms + after_ms, self._serial, timer))
                case Send(_, message, _) | Publish(_, _, message):
                    left = True
                    self.sent.append(message)
                case Emit(event):
                    left = True
                    if isinstance(event, Finalized):
                        self.finalized.append(event.block.id)
                case Blame(_, reason):
                    self.faults[reason] += 1
                case _:
                    left = True
        self.check_durable()

    def check_durable(self) -> None:
        """The last vote state in the journal covers every vote in memory."""
        states = [record.state for record in self.journal if isinstance(record, VoteRecord)]
        durable = VoteState.decode(states[-1]) if states else VoteState()
        state = self.replica.member.ballot.state
        for part in ("term", "timed_out", "timeout", "proposing"):
            assert getattr(durable, part) == getattr(state, part), f"{part} is not durable"
        for part in ("prepared", "committed"):  # What is final needs no vote any more.
            assert set(getattr(state, part)) <= set(getattr(durable, part)), f"{part} is not durable"

    def restart(self) -> list[CoreEffect]:
        """Lose all memory; come back from what was durable, all votes accounted for."""
        votes = [record.state for record in self.journal if isinstance(record, VoteRecord)]
        self._timers = []
        self._boot(
            VoteState.decode(votes[-1]) if votes else None,
            [record for record in self.journal if isinstance(record, FinalRecord)],
            [record.block for record in self.journal if isinstance(record, BlockRecord)],
            list({r.item.id: r.item for r in self.journal if isinstance(r, ItemRecord)}.values()),
        )
        self.replica.member.settled = True
        return self.turn(Started())

    def advance(self, ms: int) -> list[CoreEffect]:
        """Let time pass, timers firing when they are due."""
        end = self.timer_ms + ms
        effects: list[CoreEffect] = []
        while self._timers and self._timers[0][0] <= end:
            self.timer_ms, _, timer = heapq.heappop(self._timers)
            effects += self.turn(timer)  # type: ignore[arg-type]
        self.timer_ms = end
        return effects

    # -- what there is to talk about ----------------------------------------------------------------

    def op(self, name: str, author: str, *commands: Command, expiry_ms: int = 0, seq: int | None = None) -> Op:
        """Sign an author's next op; ``seq`` signs another one at an old place (an equivocation)."""
        at, prev = self.heads.get(author, (0, GENESIS_PREV))
        if seq is not None:
            prev = GENESIS_PREV if seq == 0 else prev
            at = seq
        if at == 0 and self.manifest.rules_version >= STAYS_SINCE:
            expiry_ms = expiry_ms or self.now().wall_ms + self.manifest.limits.author_retention_ms // 2
        made = sign_op(identity(author), self.manifest.chain_id, SYMBOL, at, prev, commands, expiry_ms)
        if seq is None:
            self.heads[author] = (at + 1, made.id)
        self.ops[name] = made
        return made

    def hold(self, *names: str) -> list[CoreEffect]:
        """The op set takes these ops."""
        for name in names:
            item = self.ops[name]
            if isinstance(item, Evidence):
                self.op_set.add_evidence(item, self.timer_ms)
            else:
                solicited = self.replica.member.catch_up.got(item, self.replica.member.ops.bodies)
                _, grown = self.op_set.insert(item, self.timer_ms, solicited=solicited)
                for op in grown:  # What the composition of a pair does.
                    self.replica.stored(op)
                    self.journal.append(ItemRecord(SYMBOL, op))
        return self.turn(PoolGrew())

    def block(
        self,
        name: str,
        names: list[str],
        *,
        parent: str = "",
        term: int = 0,
        time_ms: int = 0,
        proposer: int | None = None,
        lie: str = "",
    ) -> Block:
        """Build a block as an honest leader of ``term`` would, or with one ``lie``: events, order, parent."""
        state = Interpretation(self.manifest, SYMBOL)
        line = []
        ancestor = parent
        while ancestor:
            line.append(ancestor)
            ancestor = self.parents[ancestor]
        for ancestor in reversed(line):
            state.execute(self.blocks[ancestor].time_ms, self.contents[ancestor])
            state.commit()
        parent_id = self.blocks[parent].id if parent else self.committee.genesis
        items = canonical_order(parent_id, [self.ops[n] for n in names])
        if lie == "order":
            items = items[::-1]
        at = START_MS + self.timer_ms + time_ms
        execution = state.execute(at, items)
        made = make_block(
            chain_id=self.manifest.chain_id,
            epoch=0,
            pair=SYMBOL,
            height=len(line) + 1,
            parent=ZERO_DIGEST if lie == "parent" else parent_id,
            proposer=self.committee.key(self.committee.leader(term) if proposer is None else proposer),
            created_term=term,
            time_ms=at,
            op_ids=tuple(item.id for item in items),
            events_digest=ZERO_DIGEST if lie == "events" else execution.events_digest,
        )
        self.blocks[name], self.parents[name], self.contents[name] = made, parent, items
        return made

    # -- the others' signatures ---------------------------------------------------------------------

    def vote(self, kind: int, name: str, term: int, seat: str) -> Vote:
        block, at = self.blocks[name], SEATS.index(seat)
        body = self.committee.vote_body(kind, term, block.height, block.id)
        signature = self.keys[at].sign(DOMAIN_VOTE, self.committee.chain_id, body)
        return Vote(kind, term, block.height, block.id, at, signature)

    def certificate(self, kind: int, name: str, term: int, seats: str = "") -> Certificate:
        block = self.blocks[name]
        voters = seats or SEATS[: self.q]
        signers = tuple((SEATS.index(s), self.vote(kind, name, term, s).signature) for s in sorted(voters))
        return Certificate(kind, term, block.height, block.id, signers)

    def timeout(self, term: int, seat: str, fin: str = "", lock: str = "") -> GiveUp:
        """``fin`` names the finalized block; ``lock`` is ``term:block``."""
        at = SEATS.index(seat)
        height, fin_id = (self.blocks[fin].height, self.blocks[fin].id) if fin else (0, self.committee.genesis)
        fc = self.certificate(COMMIT, fin, self.blocks[fin].created_term) if fin else None
        lock_term, lock_id, nc = None, ZERO_DIGEST, None
        if lock:
            word, locked = lock.split(":")
            lock_term, lock_id = int(word), self.blocks[locked].id
            nc = self.certificate(PREPARE, locked, lock_term)
        lock_height = self.blocks[locked].height if lock else 0
        body = self.committee.timeout_body(term, height, fin_id, lock_term, lock_id, lock_height)
        signature = self.keys[at].sign(DOMAIN_TIMEOUT, self.committee.chain_id, body)
        return GiveUp(
            SYMBOL, 0, Timeout(term, height, fin_id, lock_term, lock_id, at, signature, lock_height), fc, nc, ()
        )

    def term_change(self, term: int, shown: dict[str, dict[str, str]]) -> TermChange:
        """A TC of the given seats' timeouts, each with its ``fin`` and ``lock``."""
        given = [self.timeout(term, seat, **claims) for seat, claims in sorted(shown.items())]
        highest = max(given, key=lambda g: g.timeout.fin)
        bare = TermChange(term, tuple(g.timeout for g in given), highest.fc, None)
        nc = next((g.nc for g in given if g.timeout == bare.high_lock(self.committee)), None)
        return TermChange(term, bare.timeouts, highest.fc, nc)

    def proposal(
        self, name: str, term: int, *, tc: TermChange | None = None, fc: Certificate | None = None, seat: str = ""
    ) -> Propose:
        block = self.blocks[name]
        key = self.keys[SEATS.index(seat) if seat else self.committee.leader(term)]
        body = self.committee.propose_body(term, block.height, block.id)
        signature = key.sign(DOMAIN_PROPOSE, self.committee.chain_id, body)
        return Propose(SYMBOL, 0, term, block.height, block.raw, tc, fc, signature)

    # -- their arrival ------------------------------------------------------------------------------

    def peer(self, seat: str) -> PeerId:
        return self.keys[SEATS.index(seat)].peer_id

    def deliver(self, seat: str, message: Any) -> list[CoreEffect]:
        self.received.append(message)
        return self.turn(Message(self.peer(seat), message))

    def prepare(self, name: str, term: int, seats: str) -> list[CoreEffect]:
        return [e for s in seats for e in self.deliver(s, CastVote(SYMBOL, 0, self.vote(PREPARE, name, term, s)))]

    def commit(self, name: str, term: int, seats: str) -> list[CoreEffect]:
        return [e for s in seats for e in self.deliver(s, CastVote(SYMBOL, 0, self.vote(COMMIT, name, term, s)))]

    def proof(self, certificate: Certificate | TermChange, seat: str) -> list[CoreEffect]:
        return self.deliver(seat, Proof(SYMBOL, 0, certificate))

    # -- what the member has signed -----------------------------------------------------------------

    def my_votes(self) -> list[Vote | Timeout]:
        """Every distinct signature of this member that left, in order."""
        seen: dict[Vote | Timeout, None] = {}
        for message in self.sent:
            if isinstance(message, CastVote) and message.vote.seat == self.seat:
                seen[message.vote] = None
            if isinstance(message, GiveUp) and message.timeout.seat == self.seat:
                seen[message.timeout] = None
        return list(seen)


def audit(bench: Bench) -> list[str]:
    """The honest member's law (I6), read off the signatures that left it. Independent of the ballot."""
    wrong: list[str] = []
    slots: dict[tuple[int, int, int], bytes] = {}
    gave_up = -1
    commits: list[Vote] = []
    for vote in bench.my_votes():
        if isinstance(vote, Timeout):
            if vote.term <= gave_up:
                wrong.append(f"a second TIMEOUT of term {vote.term}")
            gave_up = max(gave_up, vote.term)
            for c in commits:
                shows = vote.fin >= c.height or (vote.fin == c.height - 1 and (vote.lock_term or 0) >= c.term)
                if not shows or (vote.fin < c.height and vote.lock_term is None):
                    wrong.append(f"a TIMEOUT of term {vote.term} that hides the lock of a COMMIT")
            continue
        slot = (vote.kind, vote.term, vote.height)
        if slots.setdefault(slot, vote.block_id) != vote.block_id:
            wrong.append(f"two votes at {slot}")
        if vote.term <= gave_up:
            wrong.append(f"a vote in term {vote.term} after its TIMEOUT")
        if vote.kind == COMMIT:
            commits.append(vote)
            if len(_preparers(bench, vote)) < Quorum.of(bench.committee.quorum.n, bench.manifest.fault_model).q:
                wrong.append(f"a COMMIT in term {vote.term} without q PREPAREs of that term")
    return wrong


def _preparers(bench: Bench, commit: Vote) -> set[int]:
    """Seats whose PREPARE for a COMMIT's (term, height, block) this member has seen, its own included."""
    slot = (PREPARE, commit.term, commit.height, commit.block_id)
    seats = set()
    for message in [*bench.sent, *bench.received]:
        if isinstance(message, CastVote):
            vote = message.vote
            if (vote.kind, vote.term, vote.height, vote.block_id) == slot:
                seats.add(vote.seat)
        for nc in _certificates(message):
            if (nc.kind, nc.term, nc.height, nc.block_id) == slot:
                seats |= {seat for seat, _ in nc.signers}
    return seats


def _certificates(message: object) -> list[Certificate]:
    """The certificates of blocks that a message carries."""
    match message:
        case Proof(_, _, Certificate() as certificate):
            return [certificate]
        case Proof(_, _, TermChange() as tc) | Propose(tc=TermChange() as tc):
            carried = [tc.nc]
        case GiveUp():
            carried = [message.nc]
        case _:
            carried = []
    return [nc for nc in carried if nc is not None]


# -- scripts ------------------------------------------------------------------------------------------


class Script:
    """Reads commands, gives back the effects as lines."""

    def __init__(self) -> None:
        self.bench = Bench()

    def run(self, line: str) -> list[str]:
        verb, words, options = transcript.split(line)
        effects = getattr(self, f"do_{verb}")(words, options)
        return [text for effect in effects or [] for text in self.show(effect)]

    # Each command's words are its parameters; what it returns are effects to show.

    def do_member(self, words: list[str], options: dict[str, str]) -> None:
        """member SEAT|follower [n=4] [fault=byzantine] [TIMING=ms …]"""
        me = None if words[0] == "follower" else words[0]
        n, fault = int(options.pop("n", "4")), options.pop("fault", "byzantine")
        timing = {key: int(value) for key, value in options.items() if key.endswith("_ms")}
        limits = {key: int(value) for key, value in options.items() if not key.endswith("_ms")}
        self.bench = self.make_bench(me, n, fault, timing=timing, limits=limits)

    def make_bench(self, *arguments: Any, **options: Any) -> Bench:
        return Bench(*arguments, **options)

    def do_op(self, words: list[str], options: dict[str, str]) -> None:
        """op NAME AUTHOR (buy|sell|cancel) ID [price=] [qty=] [expiry=MS after the start] [seq=]"""
        name, author, kind, client_id = words[0], words[1], words[2], int(words[3])
        price, qty = int(options.get("price", "100")), int(options.get("qty", "5"))
        commands: dict[str, Command] = {
            "buy": buy(client_id, price, qty),
            "sell": sell(client_id, price, qty),
            "cancel": Cancel(client_id),
            "cancel-all": CancelAll(),
        }
        expiry = START_MS + int(options["expiry"]) if "expiry" in options else 0
        seq = int(options["seq"]) if "seq" in options else None
        self.bench.op(name, author, commands[kind], expiry_ms=expiry, seq=seq)

    def do_evidence(self, words: list[str], options: dict[str, str]) -> None:
        """evidence NAME OP OP"""
        first, second = sorted((self.bench.ops[w] for w in words[1:]), key=lambda op: op.id)
        assert isinstance(first, Op)
        assert isinstance(second, Op)
        self.bench.ops[words[0]] = Evidence(first, second)

    def do_hold(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        return self.bench.hold(*words)

    def do_block(self, words: list[str], options: dict[str, str]) -> None:
        """block NAME OP … [on=PARENT] [term=] [time=MS from now] [by=SEAT] [lie=events|order|parent]"""
        self.bench.block(
            words[0],
            words[1:],
            parent=options.get("on", ""),
            term=int(options.get("term", "0")),
            time_ms=int(options.get("time", "0")),
            proposer=SEATS.index(options["by"]) if "by" in options else None,
            lie=options.get("lie", ""),
        )

    def _tc(self, text: str, term: int) -> TermChange:
        """``a,b+0:b1,c@b1``: the seats that gave up, with + a lock and @ a finalized block."""
        shown: dict[str, dict[str, str]] = {}
        for part in text.split(","):
            claims = {}
            if "+" in part:
                part, claims["lock"] = part.split("+")
            if "@" in part:
                part, claims["fin"] = part.split("@")
            shown[part] = claims
        return self.bench.term_change(term, shown)

    def do_propose(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """propose BLOCK [term=] [tc=SEATS] [fc=BLOCK] [from=SEAT] [signed=SEAT]"""
        term = int(options.get("term", "0"))
        tc = self._tc(options["tc"], term - 1) if "tc" in options else None
        fc = self.bench.certificate(COMMIT, options["fc"], 0) if "fc" in options else None
        message = self.bench.proposal(words[0], term, tc=tc, fc=fc, seat=options.get("signed", ""))
        return self.bench.deliver(options.get("from", SEATS[self.bench.committee.leader(term)]), message)

    def do_prepare(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """prepare BLOCK from=SEATS [term=]"""
        return self.bench.prepare(words[0], int(options.get("term", "0")), options["from"])

    def do_commit(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        return self.bench.commit(words[0], int(options.get("term", "0")), options["from"])

    def do_nc(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        made = self.bench.certificate(PREPARE, words[0], int(options.get("term", "0")), options.get("of", ""))
        return self.bench.proof(made, options["from"])

    def do_fc(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        made = self.bench.certificate(COMMIT, words[0], int(options.get("term", "0")), options.get("of", ""))
        return self.bench.proof(made, options["from"])

    def do_tc(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """tc TERM SEATS from=SEAT"""
        text = words[1] if len(words) > 1 else options["of"]
        return self.bench.proof(self._tc(text, int(words[0])), options["from"])

    def do_timeout(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """timeout TERM from=SEATS [fin=BLOCK] [lock=TERM:BLOCK]"""
        given = [
            self.bench.timeout(int(words[0]), seat, options.get("fin", ""), options.get("lock", ""))
            for seat in options["from"]
        ]
        return [e for g in given for e in self.bench.deliver(SEATS[g.timeout.seat], g)]

    def do_final(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """final BLOCK from=SEAT [term=]"""
        fc = self.bench.certificate(COMMIT, words[0], int(options.get("term", "0")), options.get("of", ""))
        return self.bench.deliver(options["from"], FinalizedBlock(SYMBOL, 0, self.bench.blocks[words[0]].raw, fc, ()))

    def do_body(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        return self.bench.deliver(options["from"], BlockBody(SYMBOL, 0, self.bench.blocks[words[0]].raw))

    def do_status(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """status from=SEAT [height=] [term=]"""
        height, term = int(options.get("height", "0")), int(options.get("term", "0"))
        message = Status(SYMBOL, 0, height, self.bench.committee.genesis, term, bytes(32), True)
        return self.bench.deliver(options["from"], message)

    def do_sync(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        return self.bench.deliver(options["from"], Sync(SYMBOL, 0, int(words[0])))

    def do_up(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        return self.bench.turn(MemberUp(self.bench.peer(words[0])))

    def do_advance(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        return self.bench.advance(int(words[0]))

    def do_restart(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        return self.bench.restart()

    def do_unsettled(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """A fresh start that has not heard from the others yet."""
        self.bench.restart()
        self.bench.replica.member.settled = False
        return self.bench.turn(Started())

    def do_own_votes(self, words: list[str], options: dict[str, str]) -> list[CoreEffect]:
        """own-votes from=SEAT [prepared=TERM:BLOCK]"""
        votes: tuple[Vote, ...] = ()
        if "prepared" in options:
            term, name = options["prepared"].split(":")
            assert self.bench.seat is not None
            votes = (self.bench.vote(PREPARE, name, int(term), SEATS[self.bench.seat]),)
        return self.bench.deliver(options["from"], OwnVotes(SYMBOL, 0, votes, None))

    # -- rendering ----------------------------------------------------------------------------------

    def name_block(self, block_id: bytes) -> str:
        if block_id == self.bench.committee.genesis:
            return "genesis"
        known = {block.id: name for name, block in self.bench.blocks.items()}
        return known.get(block_id, "a-fresh-block")

    def name_item(self, item_id: bytes) -> str:
        return {item.id: name for name, item in self.bench.ops.items()}.get(item_id, "?")

    def name_peers(self, to: tuple[PeerId, ...]) -> str:
        names = {key.peer_id: SEATS[i] for i, key in enumerate(self.bench.keys)}
        return ",".join(names.get(peer, "?") for peer in to)

    def show(self, effect: CoreEffect) -> list[str]:
        match effect:
            case Persist(record):
                return ["persist " + self.show_record(record)]
            case Send(to, message, _):
                return [f"send {self.name_peers(to)} {self.show_message(message)}"]
            case SendStored(to, _, first, last):
                return [f"send {self.name_peers((to,))} stored blocks {first}..{last}"]
            case Blame(link, reason):
                return [f"blame {self.name_peers((link,))} {reason}"]
            case Publish(_, _, message):
                return [f"publish {self.show_message(message)}"]
            case SetTimer(after_ms, timer):
                names = {
                    RoundTimer: "Round",
                    RetryTimer: "Retry",
                    RelayTimer: "Relay",
                    GraceTimer: "Grace",
                    SettleTimer: "Settle",
                    WakeTimer: "Wake",
                    AskTimer: "Ask",
                }
                return [f"timer {after_ms}ms {names[type(timer)]}"]
            case Emit(Finalized(_, block, _, items, events)):
                named = " ".join(self.name_item(item.id) for item in items)
                return [f"emit Finalized h{block.height} {self.name_block(block.id)} [{named}] {len(events)} events"]
            case Emit(Prepared(_, block, _, _, events)):
                return [f"emit Prepared h{block.height} {self.name_block(block.id)} {len(events)} events"]
            case Emit(TermChanged(_, term, _)):
                return [f"emit TermChanged t{term}"]
            case Emit(PairHalted(_, reason, certificates)):
                shown = ", ".join(self.show_certificate(c) for c in certificates)
                return [f"emit PairHalted {reason} ({shown})"]
            case _:
                raise AssertionError(effect)

    def show_record(self, record: object) -> str:
        match record:
            case ItemRecord(_, item):
                return f"item {self.name_item(item.id)}"
            case BlockRecord(_, block):
                return f"block {self.name_block(block.id)}"
            case FinalRecord(_, block, _):
                return f"final h{block.height} {self.name_block(block.id)}"
            case VoteRecord(_, _, raw):
                return "votes " + self.show_state(VoteState.decode(raw))
            case _:
                raise AssertionError(record)

    def show_state(self, state: VoteState) -> str:
        parts = [f"t{state.term}"]
        if state.timed_out:
            parts.append("timed-out")
        if state.high_tc is not None:
            parts.append(f"TC(t{state.high_tc.term})")
        if state.proposing is not None:
            parts.append(f"proposing=t{state.proposing}")
        if state.prepared:
            parts.append("prepared=" + ",".join(map(self.show_slot, state.prepared)))
        if state.lock is not None:
            parts.append("lock=" + self.show_slot(state.lock))
        if state.committed:
            parts.append("committed=" + ",".join(map(self.show_slot, state.committed)))
        if state.halted:
            parts.append(state.halted)
        return " ".join(parts)

    def show_slot(self, vote: Vote | Certificate) -> str:
        return f"t{vote.term}/h{vote.height}/{self.name_block(vote.block_id)}"

    def show_certificate(self, certificate: Certificate | TermChange) -> str:
        if isinstance(certificate, TermChange):
            seats = "".join(SEATS[t.seat] for t in certificate.timeouts)
            lock = certificate.high_lock(self.bench.committee)
            locked = f" lock=t{lock.lock_term}/{self.name_block(lock.lock_id)}" if lock is not None else ""
            return f"TC(t{certificate.term} of {seats}, fin={certificate.high_fin}{locked})"
        kind = "NC" if certificate.kind == PREPARE else "FC"
        seats = "".join(SEATS[seat] for seat, _ in certificate.signers)
        return f"{kind}({self.show_slot(certificate)} of {seats})"

    def show_message(self, message: Any) -> str:
        match message:
            case Propose(_, _, term, height, _, tc, fc, _):
                block_id = next((b.id for b in self.bench.blocks.values() if b.raw == message.block), b"")
                backing = "".join(f" {self.show_certificate(part)}" for part in (tc, fc) if part is not None)
                return f"PROPOSE t{term} h{height} {self.name_block(block_id)}{backing}"
            case CastVote(_, _, vote):
                kind = "PREPARE" if vote.kind == PREPARE else "COMMIT"
                return f"{kind} t{vote.term} h{vote.height} {self.name_block(vote.block_id)}"
            case GiveUp(_, _, timeout, fc, nc, due):
                backing = "".join(f" {self.show_certificate(part)}" for part in (fc, nc) if part is not None)
                named = " ".join(self.name_item(i) for i in due)
                return f"TIMEOUT t{timeout.term} fin={timeout.fin}{backing} due=[{named}]"
            case Proof(_, _, certificate):
                return f"PROOF {self.show_certificate(certificate)}"
            case Status(_, _, height, _, term, _, _):
                return f"STATUS h{height} t{term}"
            case Sync(_, _, first):
                return f"SYNC from h{first}"
            case FinalizedBlock(_, _, _, fc, _):
                return f"BLOCK {self.show_certificate(fc)}"
            case Fetch(_, ids):
                return f"FETCH {' '.join(self.name_item(i) for i in ids)}"
            case FetchBlock(_, _, block_id):
                return f"FETCH-BLOCK {self.name_block(block_id)}"
            case BlockBody():
                return "BLOCK-BODY"
            case AskVotes():
                return "ASK-VOTES"
            case OwnVotes(_, _, votes, timeout):
                return f"OWN-VOTES {[self.show_slot(v) for v in votes]} {'timed out' if timeout else ''}".rstrip()
            case _:
                raise AssertionError(message)
