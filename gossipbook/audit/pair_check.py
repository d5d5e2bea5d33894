"""All exports of one pair, read abreast: each height's lines are compared, checked once, and followed once."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gossipbook.audit.chain import Chain
from gossipbook.audit.export import ExportFile
from gossipbook.audit.fields import Defect
from gossipbook.audit.opening import Opened, open_line, same_but_certificate
from gossipbook.audit.seats import Seats
from gossipbook.audit.signatures import Verdicts
from gossipbook.identity import SignatureCheck
from gossipbook.ids import ZERO_DIGEST
from gossipbook.manifest import Manifest

CHUNK_ROWS = 32  # signatures of so many heights are verified together; a guess
CHUNK_BYTES = 8 * 2**20


@dataclass(slots=True)
class Reader:
    """One export of the pair: open, and its end so far."""

    file: ExportFile
    live: bool = True  # agrees with the chain so far
    tip: bytes = ZERO_DIGEST


@dataclass(slots=True)
class Candidate:
    """One distinct line at a row, and who has it."""

    raw: bytes
    line_number: int
    readers: list[Reader]
    opened: Opened | None = None
    defect: str = ""

    def where(self) -> str:
        return self.readers[0].file.where(self.line_number, self.raw)

    def checks(self) -> list[SignatureCheck]:
        return [] if self.opened is None else [claim.check for claim in self.opened.claims()]


@dataclass(slots=True)
class PairCheck:
    """Follows one pair through all its exports."""

    manifest: Manifest
    seats: Seats
    readers: list[Reader]
    verdicts: Verdicts
    say: Callable[[str], None]
    chain: Chain = field(init=False)
    stopped: bool = False  # something is wrong with the chain itself

    def __post_init__(self) -> None:
        self.chain = Chain(self.manifest, self.seats)
        for reader in self.readers:
            reader.tip = self.chain.tip

    def run(self, tick: Callable[[], None]) -> None:
        """Read to the end, or to the first defect of the chain; ``tick`` is called now and then."""
        while not self.stopped and (rows := self._read_chunk()):
            self.verdicts.settle(check for row in rows for candidate in row for check in candidate.checks())
            for row in rows:
                if not self.stopped:
                    self._judge(row)
            tick()
        if not self.stopped:
            for reason in self.chain.imbalance():
                self.say(f"{self.seats.symbol}: {reason}")

    def agreed(self) -> bool:
        """Whether all exports end in the same block."""
        return all(reader.live and reader.tip == self.chain.tip for reader in self.readers)

    # -- reading ------------------------------------------------------------------------------------

    def _read_chunk(self) -> list[list[Candidate]]:
        rows: list[list[Candidate]] = []
        size = 0
        while len(rows) < CHUNK_ROWS and size < CHUNK_BYTES:
            row: dict[bytes, Candidate] = {}
            for reader in self.readers:
                raw = reader.file.next_line() if reader.live else None
                if raw is None:
                    continue
                size += len(raw)
                if raw in row:
                    row[raw].readers.append(reader)
                else:
                    row[raw] = Candidate(raw, reader.file.line_number, [reader])
            if not row:
                break
            rows.append(self._open(list(row.values())))
        return rows

    def _open(self, row: list[Candidate]) -> list[Candidate]:
        first: Candidate | None = None
        for candidate in row:
            try:
                if first is not None and first.opened is not None:
                    candidate.opened = same_but_certificate(candidate.raw, first.raw, first.opened, self.seats)
                if candidate.opened is None:
                    candidate.opened = open_line(candidate.raw, self.seats)
                first = first or candidate
            except Defect as defect:
                candidate.defect = str(defect)
        return row

    # -- judging ------------------------------------------------------------------------------------

    def _judge(self, row: list[Candidate]) -> None:
        """Decide on a row whose signatures are settled."""
        good: list[Opened] = []
        for candidate in row:
            candidate.readers = [reader for reader in candidate.readers if reader.live]
            if not candidate.readers:
                continue
            opened = candidate.opened
            fault = candidate.defect or (opened.broken_claim(self.verdicts) if opened else None)
            if opened is None or fault or (fault := self._misplaced(opened)):
                self._drop(candidate, fault or "")
                continue
            good.append(opened)
            for reader in candidate.readers:
                reader.tip = opened.block.id
        if not good:
            self.stopped = self.stopped or not any(reader.live for reader in self.readers)
            return
        faults = self.chain.take(good[0])
        for fault in faults:
            self._say_block(good[0].block.height, fault)
        self.stopped = bool(faults)
        for other in good[1:]:
            self._compare(good[0], other)

    def _misplaced(self, opened: Opened) -> str:
        height, due = opened.block.height, self.chain.height + 1
        if height == due:
            return ""
        if height > due:
            return f"a height gap: block {height} comes after block {due - 1}"
        if height == 0 or self.chain.ids[height] == opened.block.id:
            return f"block {height} comes again after block {due - 1}"
        self._rival(opened)
        return f"a second block at height {height}"

    def _compare(self, first: Opened, other: Opened) -> None:
        if other.block.id != first.block.id:
            self.stopped = True
            self._rival(other)
        elif other.events != first.events:
            self.stopped = True
            self._say_block(first.block.height, "two exports list different events for it")

    def _rival(self, opened: Opened) -> None:
        """Both are fully certified: more members lied than the network tolerates."""
        height = opened.block.height
        ids = f"{self.chain.ids[height].hex()[:10]} and {opened.block.id.hex()[:10]}"
        self.say(f"two blocks at height {height} of {self.seats.symbol}, each with a full certificate: {ids}")
        if height == self.chain.height:
            self.chain.ledger.take_rival(opened.events)

    def _drop(self, candidate: Candidate, fault: str) -> None:
        """Leave exports behind that cannot be followed any further."""
        height = candidate.opened.block.height if candidate.opened else candidate.line_number - 1
        self._say_block(height, f"{fault} ({candidate.where()})")
        for reader in candidate.readers:
            reader.live = False

    def _say_block(self, height: int, fault: str) -> None:
        self.say(f"{self.seats.symbol} block {height}: {fault}")
