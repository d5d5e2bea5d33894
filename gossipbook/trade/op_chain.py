"""One author's chain of ops in one pair: which op comes next, and which are not known to be certified yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from gossipbook.crdt.op import GENESIS_PREV, LIFE, Op, life_of, sign_op
from gossipbook.errors import SubmitRefused
from gossipbook.identity import Identity
from gossipbook.ids import ChainId, OpId
from gossipbook.limits import Limits
from gossipbook.matching.commands import AnyPlace, Command


@dataclass(frozen=True, slots=True)
class StoredChain:
    """What a wallet holds of one pair.

    ``next_seq``, ``head`` and ``last_client_id`` are those after its last op. Below ``certified_seq`` everything is
    known to be certified, the last of it in the block at ``certified_height`` (0 if that is not known). ``ops`` are the
    others, in order. ``known``: the pair was used by this wallet before, or the wallet has been there since its key was
    made; else what the key signed must be asked for first.
    """

    next_seq: int = 0
    head: OpId = GENESIS_PREV
    last_client_id: int = 0
    certified_seq: int = 0
    certified_height: int = 0
    ops: tuple[Op, ...] = ()
    known: bool = True


class OpTooLarge(SubmitRefused):
    """An op that the network's limits do not let in. It was thrown away."""

    def __init__(self, size: int, limits: Limits) -> None:
        super().__init__("op-too-large")
        self._text = (
            f"an op of {size:,} bytes; this network takes {limits.max_op_bytes:,} bytes and "
            f"{limits.max_commands_per_op} commands. Nothing was signed"
        )

    def __str__(self) -> str:
        return self._text


class OpChain:
    """The mutable chain. Signing extends it; certificates shorten what is still to be sent."""

    def __init__(self, stored: StoredChain | None = None) -> None:
        stored = stored or StoredChain()
        self.next_seq = stored.next_seq
        self.head = stored.head
        self.last_client_id = stored.last_client_id
        self.certified_seq = stored.certified_seq
        self.certified_height = stored.certified_height
        self.ops = {op.seq: op for op in stored.ops}
        self.by_id = {op.id: op for op in stored.ops}
        self.known = stored.known

    def sign(
        self,
        identity: Identity,
        chain_id: ChainId,
        pair: str,
        commands: Sequence[Command],
        expiry_ms: int,
        limits: Limits,
    ) -> Op:
        """Sign the next op and extend the chain by it.

        Raises:
            OpTooLarge: no peer would take it, and all later ops of the key would wait for it. Nothing was signed.
        """
        op = sign_op(identity, chain_id, pair, self.next_seq, self.head, commands, expiry_ms)
        if len(op.signed) > limits.max_op_bytes or len(op.commands) > limits.max_commands_per_op:
            raise OpTooLarge(len(op.signed), limits)
        self.extend(op)
        return op

    @property
    def certified_in_life(self) -> bool:
        """Whether anything of the present life is known to be certified."""
        return self.certified_seq > life_of(self.next_seq) * LIFE

    def begin_life(self, life: int) -> list[Op]:
        """Go on with a life's first number; what was not known to be certified by then, and is given up."""
        over = self.waiting()
        self.ops.clear()
        self.by_id.clear()
        self.next_seq = self.certified_seq = life * LIFE
        self.head = GENESIS_PREV
        return over

    def extend(self, op: Op) -> None:
        """Take an op as the newest; it need not follow the last one that is known here."""
        self.ops[op.seq] = op
        self.by_id[op.id] = op
        self.next_seq, self.head = op.seq + 1, op.id
        self.last_client_id = max(self.last_client_id, highest_client_id(op))

    def add(self, op: Op) -> None:
        """Take an op below the newest that was signed elsewhere and is to be sent as well."""
        self.ops.setdefault(op.seq, op)
        self.by_id[self.ops[op.seq].id] = self.ops[op.seq]
        self.last_client_id = max(self.last_client_id, highest_client_id(op))

    def certify(self, next_seq: int, height: int) -> list[Op]:
        """Note that all ops below ``next_seq`` are certified, the last at ``height``; return those that are news."""
        if next_seq <= self.certified_seq:
            return []
        self.certified_seq = next_seq
        self.certified_height = max(self.certified_height, height)
        certified = [self.ops.pop(seq) for seq in sorted(self.ops) if seq < next_seq]
        for op in certified:
            del self.by_id[op.id]
        return certified

    def waiting(self, from_seq: int = 0) -> list[Op]:
        """The ops that are not known to be certified, from a number on, in order."""
        return [self.ops[seq] for seq in sorted(self.ops) if seq >= from_seq]


def highest_client_id(op: Op) -> int:
    """The highest client order id that an op uses up; 0 for none."""
    return max((c.client_id for c in op.commands if isinstance(c, AnyPlace)), default=0)
