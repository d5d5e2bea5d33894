"""An engine that fills more than there is, for those who must notice."""

from typing import Any

from gossipbook.matching.engine import Engine
from gossipbook.matching.events import FILL, RawEvent


class Overfilling:
    """The engine, but for what it says of its fills: twice the quantity. All peers have it, so all agree."""

    def __init__(self, *made_with: Any) -> None:
        self._engine = Engine(*made_with)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def end_block(self) -> list[RawEvent]:
        return [
            (*event[:3], 2 * event[3], *event[4:]) if event[0] == FILL else event for event in self._engine.end_block()
        ]
