"""Two small bounded tables of a node: who did not answer, and how much work strangers may still cause.

``now`` is monotonic, in seconds.
"""

from gossipbook.ordered import BoundedDict

Place = tuple[bytes, str, int]  # node id, host, port


class DeadNodes:
    """Nodes that did not answer lately, each at one address.

    An id is never dead as such: whoever spreads a wrong address for a node makes only that address dead.
    """

    def __init__(self, cap: int, memory_s: float) -> None:
        self._memory_s = memory_s
        self._until: BoundedDict[Place, float] = BoundedDict(cap)

    def add(self, place: Place, now: float) -> None:
        self._until[place] = now + self._memory_s

    def has(self, place: Place, now: float) -> bool:
        until = self._until.get(place)
        if until is not None and until <= now:
            self._until.pop(place)
            return False
        return until is not None

    def forget(self, place: Place) -> None:
        self._until.pop(place)

    def __len__(self) -> int:
        return len(self._until)
