"""Serves what traders prove their outcomes with: finalized blocks with all their events, and authors' heads.

A block goes out as :class:`ProvenBlock`, in parts where it has many events: to those who watch a pair as it is
finalized, and to whoever asks for a height. The latest blocks are answered from memory, older ones from the journal and
the archive, by a task of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from gossipbook.client_messages import AskAuthor, AskBlock, AuthorWord, PreparedPart, ProvenBlock, WatchProven
from gossipbook.consensus.records import Finalized, Prepared
from gossipbook.crdt.op import Op
from gossipbook.effects import Lane, LinkId
from gossipbook.errors import JournalError
from gossipbook.ids import ZERO_DIGEST
from gossipbook.net.link import Link
from gossipbook.net.runtime import Runtime
from gossipbook.ordered import BoundedDict
from gossipbook.peer.author_word import author_word
from gossipbook.receipt.making import Executed
from gossipbook.refusals import Scope
from gossipbook.storage.archive import Past
from gossipbook.wire.codec import encode_message

T = TypeVar("T")

EVENTS_PER_PART = 512
RECENT_BLOCKS_CAP = 64
"""Blocks a pair that are answered from memory: those of the last seconds, which clients that reconnect ask for."""
SENT_CAP = 16
"""Blocks that are kept as messages: 200 KB each, if they are the largest."""
READERS_CAP = 32
"""Questions that read the disk at one time; more are not answered, and asked again by those who wait."""


class Proofs:
    """Answers ``AskAuthor`` and ``AskBlock``, and sends each block to those who watch its pair."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._watchers: dict[str, dict[LinkId, None]] = {symbol: {} for symbol in runtime.peer.pairs}
        pairs = runtime.peer.pairs
        self._prepared_watchers: dict[str, dict[LinkId, None]] = {symbol: {} for symbol in runtime.peer.pairs}
        self._recent: dict[str, BoundedDict[int, Executed]] = {name: BoundedDict(RECENT_BLOCKS_CAP) for name in pairs}
        self._digests = {name: pair.certified.events_digest for name, pair in pairs.items()}
        self._sent: BoundedDict[tuple[str, int], list[bytes]] = BoundedDict(SENT_CAP)
        self._reading = 0
        runtime.driver.on_link_down.append(self._forget)
        runtime.driver.subscribers.append(self._on_event)

    def answer(self, link: Link, message: AskAuthor | AskBlock | WatchProven) -> None:
        """Take a client's question. One about a pair that is not followed here has no answer."""
        if message.pair not in self._watchers:
            return
        if isinstance(message, WatchProven):
            self._watchers[message.pair][link.id] = None
        elif self._reading >= READERS_CAP:
            self._runtime.peer.refusals.count(Scope.QUESTION, "too many at one time")
        else:
            task = self._tell_author if isinstance(message, AskAuthor) else self._tell_block
            self._reading += 1
            self._runtime.driver.start_soon(task, link, message)

    def watch_prepared(self, pair: str, link: LinkId) -> None:
        """Tell a link of each block of a pair that is prepared here, from now on."""
        self._prepared_watchers[pair][link] = None

    def _on_event(self, event: object) -> None:
        if isinstance(event, Prepared):
            executed = Executed(event.block, event.nc, (), event.events, event.previous)
            self._spread(self._prepared_watchers[event.pair], lambda: _encoded(event.pair, executed, PreparedPart))
        elif isinstance(event, Finalized):
            self._on_final(event)

    def _on_final(self, event: Finalized) -> None:
        pair, before = event.pair, self._digests[event.pair]
        self._digests[pair] = event.block.events_digest
        executed = Executed(event.block, event.fc, (), event.events, before)
        self._recent[pair][event.block.height] = executed
        self._spread(self._watchers[pair], lambda: self._encoded(pair, executed))

    def _spread(self, watchers: dict[LinkId, None], parts: Callable[[], list[bytes]]) -> None:
        """Send a block to those who watch, encoded once if there are any."""
        driver_links = self._runtime.driver.links
        links = [link for link_id in watchers if (link := driver_links.get(link_id)) is not None]
        for raw in parts() if links else ():
            for link in links:
                link.offer(raw, Lane.OPS)

    async def block(self, pair: str, height: int) -> Executed | None:
        """A finalized block with its events; None if it is not here."""
        return self._recent[pair].get(height) or await self._ask(lambda past: past.block(pair, height, bodies=False))

    async def word(self, message: AskAuthor) -> AuthorWord:
        """This peer's word on an author, with its proof."""
        pair = self._runtime.peer.pairs[message.pair]
        word = author_word(pair, message.author, message.from_seq)
        head = pair.certified.author(message.author).head
        height = pair.heads.height_of(message.author)
        if not word.next_seq or height is None:
            return word
        proof = await self._ask(lambda past: past.certified_item(message.pair, height, head))
        if proof is None:
            return word
        newest, block, fc = proof
        if not isinstance(newest, Op):
            return word
        return replace(word, newest=newest, block=block, fc=fc)

    async def _tell_block(self, link: Link, message: AskBlock) -> None:
        try:
            executed = await self.block(message.pair, message.height)
            for raw in () if executed is None else self._encoded(message.pair, executed):
                if link.room(Lane.SYNC):
                    link.offer(raw, Lane.SYNC)
        finally:
            self._reading -= 1

    async def _tell_author(self, link: Link, message: AskAuthor) -> None:
        try:
            word = await self.word(message)
            link.offer(encode_message(word), Lane.SYNC)
        finally:
            self._reading -= 1

    async def _ask(self, question: Callable[[Past], T]) -> T | None:
        """Something of a finalized block from the disk; None if it is not there."""
        try:
            return await self._runtime.archivist.ask(question)
        except JournalError:
            self._runtime.peer.refusals.count(Scope.QUESTION, "a block that is not here")
            return None

    def _encoded(self, pair: str, executed: Executed) -> list[bytes]:
        """A block as messages; those that were lately sent are kept."""
        key = pair, executed.block.height
        parts = self._sent.get(key)
        if parts is None:
            parts = self._sent[key] = _encoded(pair, executed, ProvenBlock)
        return parts

    def _forget(self, link: LinkId) -> None:
        for watchers in (*self._watchers.values(), *self._prepared_watchers.values()):
            watchers.pop(link, None)


def _encoded(pair: str, executed: Executed, kind: type[ProvenBlock] | type[PreparedPart]) -> list[bytes]:
    """A block as messages of one of two kinds."""
    events = executed.events
    starts = range(0, max(len(events), 1), EVENTS_PER_PART)
    parts = []
    for part, start in enumerate(starts):
        first, last = part == 0, start == starts[-1]
        raw, fc, previous = (
            (executed.block.raw, executed.fc, executed.digest_before) if first else (b"", None, ZERO_DIGEST)
        )
        some = tuple(events[start : start + EVENTS_PER_PART])
        parts.append(encode_message(kind(pair, executed.block.height, part, raw, fc, previous, some, last)))
    return parts
