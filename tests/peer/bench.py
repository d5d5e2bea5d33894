"""One peer core among members and clients whose messages are made with real keys, driven by lines.

The commands of the consensus scripts work here too; what they deliver comes over links, which are named by a seat's
letter for its key, or by anything else for a key of its own. ``own`` is this program itself.
"""

import random
from dataclasses import replace
from typing import Any

import transcript
from consensus.kit import SEATS, SYMBOL, Bench, Script, identity

from gossipbook.client_messages import Ack, FeedEnded, Follow, Submit
from gossipbook.consensus.committee import COMMIT
from gossipbook.consensus.events import Message
from gossipbook.consensus.messages import Bodies, Fetch, FinalizedBlock, Status
from gossipbook.crdt.messages import AskHeld, Held
from gossipbook.crdt.op import Op, open_op
from gossipbook.effects import Disconnect, Effect, Emit, LinkId, SetTimer
from gossipbook.gossip.messages import Choke, Graft, IHave, IWant, Prune, Push, Subscribe, Unchoke
from gossipbook.identity import Identity
from gossipbook.ids import SIGNATURE_BYTES, PublicKey
from gossipbook.peer.config import PeerConfig
from gossipbook.peer.events import (
    AskTimer,
    Begun,
    BookAsked,
    BookRead,
    Heartbeat,
    LinkDown,
    LinkUp,
    PeerEvent,
    Received,
    Submitted,
    TimerFired,
)
from gossipbook.peer.peer import Peer
from gossipbook.wire.codec import decode_message, encode_message
from gossipbook.wire.handshake import Role

CONFIG = replace(PeerConfig(), faults_per_link_cap=2)


class PeerBench(Bench):
    """The bench of a member, whose events and effects go through a whole peer."""

    def __init__(self, me: str | None = None, *arguments: Any, **options: Any) -> None:
        super().__init__(me, *arguments, **options)
        self.core = Peer(self.manifest, self.me, rng=random.Random(1), config=CONFIG)
        self.replica = self.core.pairs[SYMBOL].replica  # type: ignore[assignment]
        self.replica.member.settled = True

    def turn(self, event: Any) -> list[Any]:
        """One event, and the end of the turn."""
        if isinstance(event, Message):
            event = Received(event.sender, event.message)
        elif not isinstance(event, PeerEvent):
            event = TimerFired(event)
        effects: list[Any] = [*self.core.handle(event, self.now()), *self.core.flush(self.now())]
        self.perform(effects, records_first=False)
        return effects


class PeerScript(Script):
    """Runs one script line by line, and renders what it leads to."""

    bench: PeerBench

    def __init__(self) -> None:
        self.bench = PeerBench()
        self.names: dict[bytes, str] = {}
        self.said: list[str] = []

    def run(self, line: str) -> list[str]:
        verb, words, options = transcript.split(line)
        effects = getattr(self, f"do_{verb}")(words, options)
        said, self.said = self.said, []
        return said + [text for effect in effects or [] for text in self.show(effect)]

    def make_bench(self, *arguments: Any, **options: Any) -> PeerBench:
        return PeerBench(*arguments, **options)

    def key(self, word: str) -> Identity:
        return self.bench.keys[SEATS.index(word)] if word in SEATS else identity(word)

    def link(self, word: str) -> LinkId:
        """A peer's link is its id; a client's has a serial number besides."""
        made = self.key(word).peer_id + (bytes(8) if word.startswith("client") else b"")
        self.names[made] = word
        return made

    # -- commands -----------------------------------------------------------------------------------

    def do_begin(self, _words: list[str], _options: dict[str, str]) -> list[Effect]:
        return self.bench.turn(Begun())

    def do_link(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        """link NAME …: those whose name begins with ``client`` are clients."""
        effects = []
        for word in words:
            role = Role.CLIENT if word.startswith("client") else Role.PEER
            key: PublicKey = self.key(word).public_key
            effects += self.bench.turn(LinkUp(self.link(word), key, role, True))
        return effects

    def do_unlink(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return [effect for word in words for effect in self.bench.turn(LinkDown(self.link(word)))]

    def _received(self, link: str, message: Any) -> list[Effect]:
        return self.bench.turn(Received(self.link(link), message))

    def do_submit(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """submit OP … from=CLIENT [forged=yes]"""
        effects = []
        for word in words:
            op = self._op(word, options)
            own = options["from"] == "own"
            effects += self.bench.turn(Submitted(op)) if own else self._received(options["from"], Submit(op))
        return effects

    def do_subscribe(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return [effect for word in words for effect in self._received(word, Subscribe((SYMBOL,)))]

    def do_graft(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return [effect for word in words for effect in self._received(word, Graft(SYMBOL))]

    def do_gossip(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """gossip OP|BLOCK … from=PEER [forged=yes] [topic=]"""
        effects = []
        for word in words:
            if word in self.bench.blocks:
                fc = self.bench.certificate(COMMIT, word, 0, options.get("of", ""))
                message: object = FinalizedBlock(SYMBOL, 0, self.bench.blocks[word].raw, fc, ())
            else:
                message = Bodies(SYMBOL, (self._op(word, options),))
            push = Push(options.get("topic", SYMBOL), encode_message(message))
            effects += self._received(options["from"], push)
        return effects

    def do_garbage(self, _words: list[str], options: dict[str, str]) -> list[Effect]:
        return self._received(options["from"], Push(SYMBOL, b"garbage"))

    def do_bodies(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        items = tuple(self._op(word, options) for word in words)
        return self._received(options["from"], Bodies(SYMBOL, items))

    def do_fetch(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        ids = tuple(self.bench.ops[word].id for word in words)
        return self._received(options["from"], Fetch(SYMBOL, ids))

    def do_ask_held(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        ids = tuple(self.bench.ops[word].id for word in words)
        return self._received(options["from"], AskHeld(SYMBOL, ids))

    def do_ask_timer(self, _words: list[str], _options: dict[str, str]) -> list[Effect]:
        return self.bench.turn(TimerFired(AskTimer(SYMBOL)))

    def do_held(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        ids = tuple(self.bench.ops[word].id for word in words)
        return [e for link in options["from"].split(",") for e in self._received(link, Held(SYMBOL, ids))]

    def do_status(self, _words: list[str], options: dict[str, str]) -> list[Effect]:
        """status from=PEER [height=] [term=] [voting=no]"""
        height, term = int(options.get("height", "0")), int(options.get("term", "0"))
        voting = options.get("voting", "yes") == "yes"
        ops = self.bench.core.pairs[SYMBOL].ops.digest()
        return self._received(
            options["from"], Status(SYMBOL, 0, height, self.bench.committee.genesis, term, ops, voting)
        )

    def do_book(self, _words: list[str], options: dict[str, str]) -> list[Effect]:
        """book from=CLIENT|own [pair=]"""
        symbol = options.get("pair", SYMBOL)
        if options["from"] == "own":
            return self.bench.turn(BookAsked(symbol))
        return self._received(options["from"], Follow(symbol))

    def do_condition(self, _words: list[str], _options: dict[str, str]) -> None:
        """Make the pair's condition the next line."""
        condition, absent = self.bench.core.pairs[SYMBOL].state()
        self.said = [f"{condition.value}, absent: {' '.join(absent) or 'nobody'}"]

    def do_faults(self, words: list[str], _options: dict[str, str]) -> None:
        """Make what is held against a link the next line."""
        (word,) = words
        self.said = [f"{self.bench.core.faults.counts[self.link(word)]} held against {word}"]

    def _op(self, word: str, options: dict[str, str]) -> Op:
        op = self.bench.ops[word]
        assert isinstance(op, Op)
        return open_op(op.signed, bytes(SIGNATURE_BYTES)) if "forged" in options else op

    # -- what happened, as lines --------------------------------------------------------------------

    def name_item(self, item_id: bytes) -> str:
        known = super().name_item(item_id)
        return "evidence" if known == "?" else known  # All other items have the names that the script gave them.

    def name_peers(self, to: tuple[LinkId, ...]) -> str:
        seats = {key.peer_id: SEATS[i] for i, key in enumerate(self.bench.keys)}
        return ",".join(self.names.get(link) or seats.get(link, "?") for link in to)

    def show(self, effect: Any) -> list[str]:
        match effect:
            case SetTimer(_, Heartbeat()):
                return ["timer Heartbeat"]  # of a random time
            case Disconnect(link, reason):
                return [f"disconnect {self.name_peers((link,))}: {reason}"]
            case Emit(Ack() as ack):
                return [f"emit {self.show_message(ack)}"]
            case Emit(BookRead(asker, snapshot)):
                return [f"emit book h{snapshot.height} for {self.names.get(asker, 'own')}"]
            case _:
                return super().show(effect)

    def show_message(self, message: Any) -> str:
        match message:
            case Ack(_, op_id, level, height, reason):
                return f"ACK {self.name_item(op_id)} {level.name}{f' h{height}' if height else ''} {reason}".rstrip()
            case Push(_, payload):
                return f"PUSH {self.show_message(decode_message(payload))}"
            case Bodies(_, items):
                return f"BODIES {' '.join(self.name_item(item.id) for item in items)}"
            case AskHeld(_, ids):
                return f"ASK-HELD {' '.join(self.name_item(i) for i in ids)}"
            case Held(_, ids):
                return f"HELD {' '.join(self.name_item(i) for i in ids)}"
            case Subscribe():
                return "SUBSCRIBE"
            case Graft():
                return "GRAFT"
            case Prune():
                return "PRUNE"
            case Choke(_, source, announces):
                return f"CHOKE {'an author' if source else 'blocks'}{' announcing' if announces else ''}"
            case Unchoke(_, source):
                return f"UNCHOKE {'all' if source is None else 'an author' if source else 'blocks'}"
            case IHave(_, ids):
                return f"IHAVE {len(ids)}"
            case IWant(ids):
                return f"IWANT {len(ids)}"
            case FeedEnded(pair, reason):
                return f"FEED-ENDED {pair}: {reason}"
            case _:
                return super().show_message(message)
