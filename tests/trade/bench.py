"""One author core among peers whose words are made with real keys; understands the commands of the scripts.

Seats are called a, b, c, d, so that seat a leads term 0; x and y are peers without a seat, and ``own`` is the program's
own peer, which has no seat either. Ops have the names that a script gives them, in the order in which they are signed.
"""

import heapq
from dataclasses import replace
from typing import Any

from consensus.kit import SEATS, START_MS, SYMBOL, VERIFIER, buy, identity, network, seated

from gossipbook.client_messages import Ack, AckLevel, AskAuthor, AskBlock, AuthorWord, ProvenBlock, Submit
from gossipbook.consensus.block import make_block
from gossipbook.consensus.certificate import Certificate, Vote
from gossipbook.consensus.committee import COMMIT, Committee
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op, sign_op
from gossipbook.effects import Effect, Emit, Now, Persist, Send, SetTimer
from gossipbook.matching.commands import Cancel, Command
from gossipbook.trade.author import AuthorCore
from gossipbook.trade.author_events import (
    Acked,
    AuthorConfig,
    AuthorEvent,
    BlockSeen,
    BlockTimer,
    ChainRecord,
    FollowBlocks,
    HeadTimer,
    LinkDown,
    LinkUp,
    MayChange,
    MembersWanted,
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
from gossipbook.trade.blocks import BlockReader, CheckedBlock
from gossipbook.trade.op_chain import OpChain, StoredChain

ME = identity("trader")


class AuthorBench:
    """The author, the network's true chain of the pair, and what each link was sent."""

    def __init__(
        self, stored: StoredChain | None = None, config: AuthorConfig | None = None, n: int = 4, **parts: Any
    ) -> None:
        self.manifest, keys = network(n, **parts)
        self.committee = Committee.of(self.manifest, self.manifest.chain_id, SYMBOL)
        self.keys = seated(self.manifest, keys)
        self.stored = stored or StoredChain()
        self.config = config or AuthorConfig()
        self.timer_ms = 0
        self.ops: dict[str, Op] = {}
        self.state = Interpretation(self.manifest, SYMBOL)
        self.blocks: list[tuple[bytes, Certificate, bytes, tuple[Any, ...]]] = []
        self.holders: dict[bytes, int] = {}  # op id -> height
        self.requests = 0
        self._timers: list[tuple[int, int, Any]] = []
        self._serial = 0
        self.boot()

    def boot(self) -> None:
        """Start the program, over what its wallet holds."""
        self._timers = []
        self.core = AuthorCore(ME, self.manifest.chain_id, lambda _: self.stored, verifier=VERIFIER, config=self.config)
        self.core.join(self.manifest)

    def now(self) -> Now:
        return Now(START_MS + self.timer_ms, self.timer_ms)

    def turn(self, event: AuthorEvent) -> list[Effect]:
        """One event; what it records is durable when it returns."""
        return self.perform(self.core.handle(event, self.now()))

    def perform(self, effects: list[Effect]) -> list[Effect]:
        for effect in effects:
            if isinstance(effect, SetTimer):
                self._serial += 1
                heapq.heappush(self._timers, (self.timer_ms + effect.after_ms, self._serial, effect.timer))
            elif isinstance(effect, Persist):
                self.keep(effect.record)
        return effects

    def keep(self, record: object) -> None:
        chain = OpChain(self.stored)
        if isinstance(record, OpRecord):
            op = record.op
            if op.seq >= chain.next_seq:
                chain.extend(op)
            else:
                chain.add(op)
        elif isinstance(record, ChainRecord):
            chain.certify(record.certified_seq, record.certified_height)
            if record.next_seq > chain.next_seq:
                chain.next_seq, chain.head = record.next_seq, record.head
            chain.last_client_id = max(chain.last_client_id, record.last_client_id)
        self.stored = StoredChain(
            chain.next_seq,
            chain.head,
            chain.last_client_id,
            chain.certified_seq,
            chain.certified_height,
            tuple(chain.waiting()),
        )

    def advance(self, ms: int) -> list[Effect]:
        until = self.timer_ms + ms
        effects: list[Effect] = []
        while self._timers and self._timers[0][0] <= until:
            self.timer_ms, _, timer = heapq.heappop(self._timers)
            effects += self.turn(timer)
        self.timer_ms = until
        return effects

    # -- what there is in the world -----------------------------------------------------------------

    def sign_elsewhere(self, seq: int, prev: bytes, *commands: Command) -> Op:
        return sign_op(ME, self.manifest.chain_id, SYMBOL, seq, prev, commands)

    def certify(self, *ops: Op, at_ms: int = 0) -> int:
        """Put ops into the next block of the true chain, at a time after the start; returns its height."""
        height, parent = len(self.blocks) + 1, self.committee.genesis
        before = self.state.events_digest
        time_ms = START_MS + (at_ms or height)
        assert self.state.refusal(ops, time_ms) is None
        execution = self.state.execute(time_ms, list(ops))
        block = make_block(
            chain_id=self.manifest.chain_id,
            epoch=0,
            pair=SYMBOL,
            height=height,
            parent=parent,
            proposer=self.keys[0].public_key,
            created_term=0,
            time_ms=time_ms,
            op_ids=tuple(op.id for op in ops),
            events_digest=execution.events_digest,
        )
        self.state.commit()
        self.blocks.append((block.raw, self.certificate(height, block.id), before, execution.events))
        for op in ops:
            self.holders[op.id] = height
        return height

    def certificate(self, height: int, block_id: bytes, seats: str = "abc", kind: int = COMMIT) -> Certificate:
        signers = []
        for name in seats:
            seat = SEATS.index(name)
            vote = Vote(kind, 0, height, block_id, seat, b"")
            body = vote.check(self.committee).signed
            key = self.keys[seat]
            signature = key.sign(b"vote", self.manifest.chain_id, body[8 + 32 :])
            signers.append((seat, signature))
        return Certificate(kind, 0, height, block_id, tuple(signers))

    def proven(self, height: int) -> ProvenBlock:
        raw, fc, before, events = self.blocks[height - 1]
        return ProvenBlock(SYMBOL, height, 0, raw, fc, before, events, True)

    def checked(self, message: ProvenBlock, *, own: bool = False) -> CheckedBlock | str | None:
        return BlockReader({SYMBOL: self.committee}, VERIFIER, own=own).take(message)

    def word(self, *pending: Op, height: int | None = None, claim: int = 0, **changes: Any) -> AuthorWord:
        """What an honest peer at a height says, with ops that it holds besides."""
        height = len(self.blocks) if height is None else height
        mine = [op for op in self.ops.values() if 0 < self.holders.get(op.id, 0) <= height]
        newest = max(mine, key=lambda op: op.seq, default=None)
        raw, fc = b"", None
        if newest is not None:
            raw, fc, *_ = self.blocks[self.holders[newest.id] - 1]
        ids = [getattr(c, "client_id", 0) for op in (*mine, *pending) for c in op.commands]
        word = AuthorWord(
            pair=SYMBOL,
            author=ME.public_key,
            height=height,
            synced=True,
            next_seq=0 if newest is None else newest.seq + 1,
            last_client_id=claim or max(ids, default=0),
            newest=newest,
            block=raw,
            fc=fc,
            evidence=None,
            pending=pending,
            more=False,
        )
        return replace(word, **changes)


class AuthorScript:
    """Runs one script line by line, and renders what it leads to."""

    def __init__(self) -> None:
        self.bench = AuthorBench()
        self._calls: dict[int, str] = {}

    def run(self, line: str) -> list[str]:
        verb, *rest = line.split()
        words = [word for word in rest if "=" not in word]
        options = dict(word.split("=", 1) for word in rest if "=" in word)
        effects = getattr(self, f"do_{verb}")(words, options) or []
        return [text for effect in effects for text in self.show(effect)]

    # -- commands -----------------------------------------------------------------------------------

    def do_wallet(self, words: list[str], _options: dict[str, str]) -> None:
        """``lost``: there is no file. Names: ops that it signed before, of which ``certified=N`` are known to be."""
        bench = self.bench
        if words == ["lost"]:
            bench.stored = StoredChain(known=False)
        else:
            chain = OpChain()
            for name in words:
                chain.extend(self._sign(name, chain.next_seq, chain.head))
            bench.stored = StoredChain(chain.next_seq, chain.head, chain.last_client_id, 0, 0, tuple(chain.waiting()))
        bench.boot()

    def do_config(self, _words: list[str], options: dict[str, str]) -> None:
        values = {key: value == "yes" if value in ("yes", "no") else int(value) for key, value in options.items()}
        self.bench.config = replace(self.bench.config, **values)
        self.bench.boot()

    def do_elsewhere(self, words: list[str], options: dict[str, str]) -> None:
        """Ops that another copy of the key signs, the first of them with number ``seq`` after ``after``."""
        seq = int(options.get("seq", "0"))
        prev = self.bench.ops[options["after"]].id if "after" in options else bytes(32)
        for name in words:
            op = self._sign(name, seq, prev, price=int(options.get("price", "100")))
            seq, prev = seq + 1, op.id

    def do_certify(self, words: list[str], _options: dict[str, str]) -> None:
        """The network certifies ops in its next block; nobody has told the author."""
        self.bench.certify(*[self.bench.ops[name] for name in words])

    def do_restart(self, _words: list[str], _options: dict[str, str]) -> None:
        self.bench.boot()

    def do_reload(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """Another program signed ops with the same wallet, or wrote down that all below ``certified=N@HEIGHT`` are."""
        chain = OpChain(self.bench.stored)
        for name in words:
            chain.extend(self._sign(name, chain.next_seq, chain.head))
        if "certified" in options:
            chain.certify(*map(int, options["certified"].split("@")))
        certified = (chain.certified_seq, chain.certified_height)
        stored = StoredChain(chain.next_seq, chain.head, chain.last_client_id, *certified, tuple(chain.waiting()))
        self.bench.stored = stored
        return self.bench.turn(Reloaded(SYMBOL, stored))

    def do_open(self, _words: list[str], _options: dict[str, str]) -> list[Effect]:
        return self.bench.perform(self.bench.core.open(SYMBOL, self.bench.now()))

    def do_link(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return [effect for name in words for effect in self.bench.turn(self._link_up(name))]

    def do_unlink(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return [effect for name in words for effect in self.bench.turn(LinkDown(name.encode()))]

    def do_sign(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        effects = []
        for name in words:
            self.bench.requests += 1
            self._calls[self.bench.requests] = name
            cancels = "cancels" in options
            make = (lambda _: [Cancel(int(options["cancels"]))]) if cancels else (lambda client_id: [buy(client_id)])
            turn = self.bench.turn(Sign(self.bench.requests, SYMBOL, make, 0))
            for effect in turn:
                if isinstance(effect, Emit) and isinstance(effect.event, Signed):
                    self.bench.ops[name] = effect.event.op
            effects += turn
        return effects

    def do_follow(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return [effect for name in words for effect in self.bench.turn(FollowBlocks(self.bench.ops[name]))]

    def do_ack(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        link, name, level = words
        ack = Ack(SYMBOL, self.bench.ops[name].id, AckLevel[level.upper()], int(options.get("height", "0")), "")
        return self.bench.turn(Acked(link.encode(), ack))

    def do_refuse(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        link, name, reason = words
        return self.bench.turn(Acked(link.encode(), Ack(SYMBOL, self.bench.ops[name].id, AckLevel.REFUSED, 0, reason)))

    def do_word(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """An honest answer of a link, with pending ops; or a lie: ``next=``, ``claim=``, ``forged``, ``foreign``."""
        link, *names = words
        lies = {"forged", "evidence", "more", "foreign", "syncing"} & set(names)
        bench = self.bench
        pending = tuple(bench.ops[name] for name in names if name not in lies)
        height = int(options["height"]) if "height" in options else None
        word = bench.word(*pending, height=height, claim=int(options.get("claim", "0")))
        if "next" in options:
            word = replace(word, next_seq=int(options["next"]), newest=None, block=b"", fc=None)
        if "syncing" in lies:
            word = replace(word, synced=False)
        if "forged" in lies:
            assert word.fc is not None
            signers = tuple((seat, bytes(64)) for seat, _ in word.fc.signers)
            word = replace(word, fc=replace(word.fc, signers=signers))
        if "evidence" in lies:
            word = replace(word, evidence=Evidence(*sorted(pending, key=lambda op: op.id)), pending=())
        if "foreign" in lies:
            other = sign_op(identity("mallory"), bench.manifest.chain_id, SYMBOL, 7, bytes(32), [buy(1)])
            word = replace(word, pending=(other,))
        return bench.turn(WordHeard(link.encode(), replace(word, more="more" in lies)))

    def do_block(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        """A block of the true chain comes, and is checked."""
        (height,) = words
        checked = self.bench.checked(self.bench.proven(int(height)))
        assert isinstance(checked, CheckedBlock), checked
        return self.bench.turn(BlockSeen(checked))

    def do_advance(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return self.bench.advance(int(words[0].removesuffix("ms")))

    def _sign(self, name: str, seq: int, prev: bytes, price: int = 100) -> Op:
        op = self.bench.ops[name] = self.bench.sign_elsewhere(seq, prev, buy(seq + 1, price))
        return op

    def _link_up(self, name: str) -> LinkUp:
        key = self.bench.keys[SEATS.index(name)] if name in SEATS[: len(self.bench.keys)] else identity(name)
        return LinkUp(name.encode(), key.public_key, own=name == "own")

    # -- what happened, as lines --------------------------------------------------------------------

    def name(self, op_id: bytes) -> str:
        return next((name for name, op in self.bench.ops.items() if op.id == op_id), op_id.hex()[:8])

    def show(self, effect: Effect) -> list[str]:
        match effect:
            case Persist(OpRecord(op)):
                after = self.name(op.prev) if op.prev != GENESIS_PREV else "nothing"
                return [f"persist {self.name(op.id)} seq={op.seq} after {after}"]
            case Persist(ChainRecord() as record):
                return [
                    f"persist chain next={record.next_seq} certified={record.certified_seq}"
                    f"@{record.certified_height} last_id={record.last_client_id}"
                ]
            case Send(to, message, _):
                links = ",".join(link.decode() for link in to)
                return [f"send {links} {self.show_message(message)}"]
            case SetTimer(after_ms, timer):
                assert isinstance(timer, ResendTimer | HeadTimer | BlockTimer)
                return [f"timer {after_ms}ms {type(timer).__name__}"]
            case Emit(event):
                return [f"emit {self.show_event(event)}"]
            case _:
                raise AssertionError(effect)

    def show_message(self, message: object) -> str:
        match message:
            case Submit(op):
                return f"submit {self.name(op.id)}"
            case AskAuthor(_, _, from_seq):
                return f"ask author from={from_seq}"
            case AskBlock(_, height):
                return f"ask block {height}"
            case _:
                raise AssertionError(message)

    def show_event(self, event: object) -> str:
        match event:
            case Signed(number, op):
                return f"signed {self._calls[number]} client_id={getattr(op.commands[0], 'client_id', 0)}"
            case Withheld(number, hold, text, error):
                why = hold.value if hold is not None else type(error).__name__
                return f"withheld {self._calls[number]}: {why}" + (f" ({text})" if hold and not hold.passes else "")
            case MayChange():
                return "may change"
            case MembersWanted(_, seats):
                return f"members wanted: {seats}"
            case OpLevel(op_id, level, height, own):
                return f"level {self.name(op_id)} {level.name.lower()}@{height}{' own' if own else ''}"
            case OpTrouble(op_id, reason, link):
                return f"trouble {self.name(op_id)}: {reason} ({link.decode()})"
            case OpLost(op_id):
                return f"lost {self.name(op_id)}"
            case OpCertified(op, certified):
                events = " ".join(type(told).__name__ for told in certified.events)
                rejected = f" ({certified.rejected})" if certified.rejected else ""
                return f"certified {self.name(op.id)}@{certified.height}: {events}{rejected}"
            case _:
                raise AssertionError(event)
