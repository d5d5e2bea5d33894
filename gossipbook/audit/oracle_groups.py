"""Who may not trade with whom: groups, as the oracle keeps them."""

from gossipbook.audit.oracle_codes import ADMITTED, GROUP_CAP, JOINED


class OracleGroups:
    """A member has joined an owner's group and the owner has admitted the member; either alone does nothing."""

    def __init__(self) -> None:
        self._joined: dict[bytes, bytes] = {}
        self._admitted: dict[bytes, set[bytes]] = {}

    def of(self, author: bytes) -> bytes:
        """The owner of the author's group; the author, if in nobody's."""
        owner = self._joined.get(author, author)
        return owner if self.holds(author, owner) == JOINED | ADMITTED else author

    def holds(self, member: bytes, owner: bytes) -> int:
        """Which of the two sides of a membership hold."""
        joined = JOINED if self._joined.get(member) == owner else 0
        return joined | (ADMITTED if member in self._admitted.get(owner, ()) else 0)

    def has_admitted(self, owner: bytes, member: bytes) -> bool:
        return member in self._admitted.get(owner, set())

    def wants(self, member: bytes, owner: bytes) -> bool:
        return self._joined.get(member) == owner

    def has_members(self, owner: bytes) -> bool:
        return any(self.holds(member, owner) == JOINED | ADMITTED for member in self._joined)

    def join(self, author: bytes, owner: bytes) -> None:
        self._joined[author] = owner

    def leave(self, author: bytes) -> None:
        self._joined.pop(author, None)

    def admit(self, owner: bytes, member: bytes) -> None:
        self._admitted.setdefault(owner, set()).add(member)

    def expel(self, owner: bytes, member: bytes) -> None:
        self._admitted.get(owner, set()).discard(member)

    def ties(self, author: bytes) -> tuple[bool, list[bytes]]:
        """Whether an author wants to be in somebody's group, and whom they admit, sorted."""
        return author in self._joined, sorted(self._admitted.get(author, ()))

    def is_full_for(self, owner: bytes, member: bytes) -> bool:
        admitted = self._admitted.get(owner, set())
        return len(admitted | {member}) > GROUP_CAP
