"""One router among named peers, driven by lines. Message ids are the names that a script gives the messages."""

import random
from dataclasses import replace

import transcript

from gossipbook.effects import Effect, Now, Send
from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.messages import Choke, Graft, IHave, IWant, Prune, Push, Subscribe, Unchoke
from gossipbook.gossip.router import Router
from gossipbook.ids import digest

SMALL = GossipConfig(degree=3, degree_low=2, degree_high=4, outbound_least=1, lazy_degree=2, history_windows=3)
"""Small enough for a script to fill."""


class GossipScript:
    """Runs one script line by line, and renders what it leads to."""

    def __init__(self) -> None:
        self.names: dict[bytes, str] = {}
        self.now_ms = 0
        self.do_router(["t"], {})

    def run(self, line: str) -> list[str]:
        verb, words, options = transcript.split(line)
        effects = getattr(self, f"do_{verb}")(words, options) or []
        return [self.show(effect) for effect in effects]

    def name(self, word: str) -> bytes:
        made = digest(b"name", word.encode())
        self.names[made] = word
        return made

    def now(self) -> Now:
        return Now(self.now_ms, self.now_ms)

    # -- commands -----------------------------------------------------------------------------------

    def do_router(self, words: list[str], options: dict[str, str]) -> None:
        """``router TOPIC …``; options change the configuration."""
        config = replace(SMALL, **{key: int(value) for key, value in options.items()})
        self.router = Router(words, config, random.Random(1))

    def do_link(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """``link PEER … [dialled=yes]``"""
        out = "dialled" in options
        return [effect for word in words for effect in self.router.link_up(self.name(word), out)]

    def do_unlink(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        return [effect for word in words for effect in self.router.link_down(self.name(word))]

    def do_subscribe(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """``subscribe PEER … topics=T,…``"""
        topics = tuple(options.get("topics", "t").split(","))
        return [e for word in words for e in self.router.receive(self.name(word), Subscribe(topics), self.now())]

    def do_graft(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        topic = options.get("topic", "t")
        return [e for word in words for e in self.router.receive(self.name(word), Graft(topic), self.now())]

    def do_prune(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        message = Prune("t", int(options["backoff_s"]))
        return [e for word in words for e in self.router.receive(self.name(word), message, self.now())]

    def do_ihave(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        """``ihave PEER MESSAGE …``"""
        peer, *ids = map(self.name, words)
        return self.router.receive(peer, IHave("t", tuple(ids)), self.now())

    def do_iwant(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        peer, *ids = map(self.name, words)
        return self.router.receive(peer, IWant(tuple(ids)), self.now())

    def do_push(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """``push MESSAGE [from=PEER] [of=SOURCE]``: a good message comes, or is this router's own; or comes again."""
        message_id = self.name(words[0])
        sender = self.name(options["from"]) if "from" in options else None
        source = options["of"].encode() if "of" in options else None
        if self.router.seen(message_id):
            return [] if sender is None else self.router.duplicate(sender, "t", source)
        besides = tuple(map(self.name, options["besides"].split(","))) if "besides" in options else ()
        return self.router.accepted(sender, message_id, Push("t", words[0].encode()), besides, source)

    def do_choke(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """``choke PEER of=SOURCE [announces=yes]``"""
        message = Choke(options.get("topic", "t"), options["of"].encode(), "announces" in options)
        return self.router.receive(self.name(words[0]), message, self.now())

    def do_unchoke(self, words: list[str], options: dict[str, str]) -> list[Effect]:
        """``unchoke PEER [of=SOURCE]``: all of the topic without one."""
        message = Unchoke("t", options["of"].encode() if "of" in options else None)
        return self.router.receive(self.name(words[0]), message, self.now())

    def do_tick(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        """``tick [MS]``: the router's own timer goes off, or so many milliseconds later."""
        wait_ms = self.router.wait_ms(self.now())
        assert words or wait_ms is not None, "nothing is awaited"
        self.now_ms += int(words[0]) if words else wait_ms or 0
        return self.router.tick(self.now())

    def do_have(self, words: list[str], _options: dict[str, str]) -> None:
        """A message came by another way than gossip."""
        self.router.have(self.name(words[0]))

    def do_heartbeat(self, words: list[str], _options: dict[str, str]) -> list[Effect]:
        """``heartbeat [TIMES]``: a second passes before each."""
        effects: list[Effect] = []
        for _ in range(int(words[0]) if words else 1):
            self.now_ms += self.router.config.heartbeat_ms
            effects += self.router.heartbeat(self.now())
        return effects

    # -- what happened, as lines --------------------------------------------------------------------

    def show(self, effect: Effect) -> str:
        assert isinstance(effect, Send)
        to = ",".join(sorted(self.names[peer] for peer in effect.to))
        return f"send {to} {self.show_message(effect.message)}"

    def show_message(self, message: object) -> str:
        match message:
            case Subscribe(topics):
                return f"SUBSCRIBE {' '.join(topics)}"
            case Graft(topic):
                return f"GRAFT {topic}"
            case Prune(topic, backoff_s):
                return f"PRUNE {topic} {backoff_s}s"
            case IHave(topic, ids):
                return f"IHAVE {topic} {' '.join(self.names[i] for i in ids)}"
            case IWant(ids):
                return f"IWANT {' '.join(self.names[i] for i in ids)}"
            case Choke(topic, source, announces):
                return f"CHOKE {topic} {source.decode()}{' announcing' if announces else ''}"
            case Unchoke(topic, source):
                return f"UNCHOKE {topic} {'all' if source is None else source.decode()}"
            case Push(topic, payload):
                return f"PUSH {topic} {payload.decode()}"
            case _:
                raise AssertionError(message)
