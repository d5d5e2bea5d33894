"""Reads a pair's past blocks from files: an export, or the folder of a peer, running or not."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from gossipbook.audit.export import BlockEntry, ExportFile, Header, read_block, read_header
from gossipbook.audit.fields import Defect
from gossipbook.consensus.block import Block, decode_block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.committee import COMMIT
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import Evidence, Op, open_op
from gossipbook.errors import DecodeError, JournalError, VerifyError
from gossipbook.manifest import Manifest
from gossipbook.matching.events import RawEvent
from gossipbook.storage.sqlite import all_blocks

T = TypeVar("T")


class PastBlock(NamedTuple):
    """A finalized block, its certificate, its ops in order, and its events. None of it has been verified."""

    block: Block
    fc: Certificate
    items: Sequence[Op | Evidence]
    events: Sequence[RawEvent]


class Export:
    """An export, read block by block; what its blocks say is for ``gossipbook verify`` to check.

    Raises:
        VerifyError: it cannot be read, or is not an export.
    """

    def __init__(self, path: Path) -> None:
        self._file = ExportFile(path)
        raw = self._file.next_line() or b""
        self._header: Header = self._read(read_header, raw)
        self.manifest, self.pair = self._header.manifest, self._header.pair

    def blocks(self) -> Iterator[PastBlock]:
        while (raw := self._file.next_line()) is not None:
            yield _past_block(self._read(read_block, raw), self._file.where(self._file.line_number, raw))

    def close(self) -> None:
        self._file.close()

    def _read(self, reader: Callable[[bytes], T], raw: bytes) -> T:
        try:
            return reader(raw)
        except Defect as defect:
            raise VerifyError(f"{self._file.where(self._file.line_number, raw)}: {defect}") from None


def _past_block(entry: BlockEntry, where: str) -> PastBlock:
    try:
        block = decode_block(entry.block)
        items: list[Op | Evidence] = []
        for listed in entry.ops:
            ops = [open_op(*part) for part in listed.parts]
            item = Evidence(*ops) if listed.is_evidence else ops[0]
            items.append(item.by_rules(1) if isinstance(item, Evidence) and item.id != listed.id else item)
    except DecodeError as error:
        raise VerifyError(f"{where}: {error}") from None
    said = entry.certificate
    fc = Certificate(COMMIT, said.term, said.height, said.block_id, said.signers)
    return PastBlock(block, fc, items, entry.events)


def replayed(journal: Path, manifest: Manifest, pair: str) -> Iterator[PastBlock]:
    """A pair's whole chain out of a journal, executed again.

    Raises:
        JournalError: it does not execute to what was certified, or cannot be read.
    """
    certified = Interpretation(manifest, pair)
    try:
        for final in all_blocks(journal, pair, manifest.epoch):
            block = decode_block(final.block)
            execution = None
            if certified.refusal(final.items, block.time_ms) is None:
                execution = certified.execute(block.time_ms, final.items)
                certified.commit()
            if execution is None or execution.events_digest != block.events_digest:
                raise JournalError(f"block {block.height} of {pair} does not execute to what was certified")
            yield PastBlock(block, final.fc, final.items, execution.events)
    except sqlite3.Error as error:
        raise JournalError(f"{journal} cannot be read: {error}") from None


def check_chain(journal: Path, manifest: Manifest) -> None:
    """Raises :class:`JournalError` unless there is a journal, of this network."""
    if not journal.exists():
        raise JournalError(f"{journal.parent.parent} has no journal yet: its peer was never started")
    try:
        with closing(sqlite3.connect(journal.absolute().as_uri() + "?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT chain_id FROM meta").fetchone()
    except sqlite3.Error as error:
        raise JournalError(f"{journal} cannot be read: {error}") from None
    if row is None or row[0] != manifest.chain_id:
        raise JournalError(f"{journal} is of another network than the manifest in its folder's config.toml")
