"""An engine put on trial: it executes drawn blocks one command at a time, and laws are asked after each."""

from collections.abc import Sequence

from gossipbook.matching.commands import (
    AnyPlace,
    Command,
)
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import name_event

from .duel import Freeze, Run, execute_engine
from .laws import LAWS, Law
from .ledger import Book, Ledger, Step
from .sequences import RULES, Block


class Broken(AssertionError):
    """A law does not hold; the message begins with its name."""


class Trial:
    def __init__(self, engine_type: type[Engine] = Engine, laws: Sequence[Law] = LAWS) -> None:
        self.engine = RULES.engine(engine_type)
        self.laws = laws
        self.ledger = Ledger()
        self.last_ids: dict[bytes, int] = {}
        self.book = Book.of(self.engine)
        self.told = 0  # events of this block that were looked at

    def play(self, block: Block) -> None:
        """Execute a block and keep it, with the laws asked after its start, each command and its end."""
        self.told = 0
        self.engine.begin_block(block.time_ms)
        self._judge(b"", None)
        for op in block.ops:
            if isinstance(op, Freeze):
                self.engine.freeze(op.author)
                self._judge(op.author, None)
            else:
                self._run(op)
        self.engine.end_block()
        self._judge(b"", None)
        self.engine.commit()

    def play_and_undo(self, block: Block) -> None:
        """Rolled back, a block must leave no trace: neither in the digest, nor in what the same block does then."""
        before, state = self.engine.digest(), self.engine.state()
        events = execute_engine(self.engine, block.time_ms, block.ops)
        self.engine.rollback()
        if (self.engine.digest(), self.engine.state()) != (before, state):
            raise Broken("rollback_restores: the digest differs")
        if execute_engine(self.engine, block.time_ms, block.ops) != events:
            raise Broken("rollback_restores: a second execution differs")
        self.engine.rollback()
        if self.engine.digest() != before or Book.of(self.engine) != self.book:
            raise Broken("rollback_restores: the book differs")

    def _run(self, op: Run) -> None:
        for command in op.commands:
            self.engine.run(op.author, [command], op.void)
            self._judge(op.author, command)
            if isinstance(command, AnyPlace):
                self.last_ids[op.author] = max(command.client_id, self.last_ids.get(op.author, 0))

    def _judge(self, author: bytes, command: Command | None) -> None:
        events = [name_event(raw) for raw in self.engine.events[self.told :]]
        self.told += len(events)
        before, self.book = self.book, Book.of(self.engine)
        step = Step(author, command, self.last_ids.get(author, 0), events, before, self.book)
        self.ledger.take(step)
        for law in self.laws:
            try:
                law(step, self.ledger)
            except AssertionError as error:
                raise Broken(f"{law.__name__}: {error}\n{step}") from error
