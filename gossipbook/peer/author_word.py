"""What a peer can say of an author's chain of ops, for the author's own program to check."""

from gossipbook.client_messages import PENDING_BYTES_CAP, PENDING_OPS_CAP, AuthorWord
from gossipbook.crdt.op import Op
from gossipbook.ids import PublicKey
from gossipbook.peer.condition import PairCondition
from gossipbook.peer.pair_replica import PairReplica


def author_word(pair: PairReplica, author: PublicKey, from_seq: int) -> AuthorWord:
    """Return all that is known here but the certified op's block, which is on disk."""
    state = pair.certified.author(author)
    log = pair.ops.logs.get(author)
    evidence = None if log is None else log.proof()
    held = [] if log is None else [op for seq in sorted(log.by_seq) for op in log.by_seq[seq].values()]
    last_id = pair.replica.last_order_id(author)
    for op in held:
        last_id = max([last_id, *(getattr(command, "client_id", 0) for command in op.commands)])
    wanted = [op for op in held if op.seq >= from_seq]
    # Two ops with one number are evidence: the author needs no more than that.
    pending = () if evidence is not None else _fitting(wanted)
    return AuthorWord(
        pair=pair.symbol,
        author=author,
        height=pair.replica.fin,
        synced=pair.state()[0] is not PairCondition.SYNCING,
        next_seq=state.next_seq,
        last_client_id=last_id,
        newest=None,
        block=b"",
        fc=None,
        evidence=evidence,
        pending=pending,
        more=evidence is None and len(pending) < len(wanted),
    )


def _fitting(ops: list[Op]) -> tuple[Op, ...]:
    """As many ops, from the first on, as one message carries."""
    fitting: list[Op] = []
    size = 0
    for op in ops[:PENDING_OPS_CAP]:
        size += op.size
        if size > PENDING_BYTES_CAP:
            break
        fitting.append(op)
    return tuple(fitting)
