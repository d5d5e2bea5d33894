"""Orders under a text of their author's own: each is signed once in a pair; whoever asks again gets that order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Persist
from gossipbook.errors import SubmitRefused
from gossipbook.matching.commands import Command, PlaceNamed
from gossipbook.trade.author_events import OpRecord


class NamedOrder(NamedTuple):
    """An order that was signed under a text id, and the op that carries it."""

    op: Op
    place: PlaceNamed


class TextIdUsed(SubmitRefused):
    """An order under the text id exists, and nothing was signed. ``named`` is that order, if this wallet signed it."""

    def __init__(self, pair: str, text_id: str, client_id: int, named: NamedOrder | None = None) -> None:
        super().__init__("text-id-used")
        self.pair = pair
        self.text_id = text_id
        self.client_id = client_id
        self.named = named

    def __str__(self) -> str:
        return f"order {self.client_id} of this key in {self.pair} has the text id {self.text_id!r}. Nothing was signed"


class TextIdTwice(SubmitRefused):
    """Two orders of one op have the same text id. Nothing was signed."""

    def __init__(self) -> None:
        super().__init__("text-id-twice")


def named_orders(op: Op) -> Iterator[NamedOrder]:
    """The orders of an op that have a text id."""
    for command in op.commands:
        if isinstance(command, PlaceNamed) and command.text_id:
            yield NamedOrder(op, command)


class TextIds:
    """The text ids that a wallet signed for: those in its file, and those of ops that are on their way there."""

    def __init__(self, stored: Callable[[str, str], NamedOrder | None]) -> None:
        self._stored = stored
        self._fresh: dict[tuple[str, str], NamedOrder] = {}

    def find(self, pair: str, text_id: str) -> NamedOrder | None:
        """The order under a text id."""
        return self._fresh.get((pair, text_id)) or self._stored(pair, text_id)

    def require_unused(self, pair: str, commands: Sequence[Command]) -> Sequence[Command]:
        """Return the commands of an op to be.

        Raises:
            TextIdUsed: an order under the text id of one of them exists. TextIdTwice: one is there twice.
        """
        texts = [command.text_id for command in commands if isinstance(command, PlaceNamed) and command.text_id]
        if len(set(texts)) < len(texts):
            raise TextIdTwice
        for text_id in texts:
            if (named := self.find(pair, text_id)) is not None:
                raise TextIdUsed(pair, text_id, named.place.client_id, named)
        return commands

    def note(self, effects: Iterable[Effect]) -> None:
        """Remember the ops among effects that are not written yet."""
        for effect in effects:
            if isinstance(effect, Persist) and isinstance(effect.record, OpRecord):
                op = effect.record.op
                self._fresh |= {(op.pair, named.place.text_id): named for named in named_orders(op)}

    def settle(self, left: Iterable[Effect]) -> None:
        """Forget what was written, or is given up; some effects are left."""
        self._fresh.clear()
        self.note(left)
