"""Turn a recorder's notes into a recording when the run is over."""

from gossipbook.client_messages import AckLevel
from gossipbook.matching.commands import AnyPlace
from gossipbook.matching.words import say
from gossipbook.run_report.notes import Notes
from gossipbook.run_report.recording import FaultSpan, OpNote, PeerNote, Recording
from gossipbook.run_report.sampling import Steps
from gossipbook.sim.checkers.bounds import BoundsChecker
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host
from gossipbook.sim.network import Wire
from gossipbook.sim.traders import SignedOp, Trader

OP_NOTES_CAP = 50_000


def close(exchange: Exchange, notes: Notes, shown: list[Host]) -> Recording:
    """Return the recording: the recorder's notes, and those of the traders."""
    market, roles = notes.market, exchange.roles
    left_out = dict(sorted((notes.left_out | market.left_out).items()))
    ops = _op_notes(exchange, market.finals, left_out)
    faults = _fault_spans(exchange)
    for what, spreads in (("ops in the propagation curve", notes.ops), ("blocks in it", notes.blocks)):
        if spreads.left_out:
            left_out[what] = spreads.left_out
    seats = {host.index: seat for seat, host in enumerate(roles.members)}
    return Recording(
        symbols=tuple(exchange.manifest.symbols()),
        peers=tuple(
            PeerNote(host.index, host.name, seats.get(host.index, -1), not host.faulty, host.observer_reason)
            for host in roles.hosts
        ),
        shown=tuple(host.index for host in shown),
        members=tuple(host.name for host in roles.members),
        quorum=roles.quorum,
        opened_us=exchange.opened_us,
        traded_until_us=exchange.traded_until_us,
        healed_us=exchange.healed_us,
        rested_us=exchange.rested_us,
        ended_us=exchange.world.now_us,
        period_us=notes.period_us,
        faults=faults,
        looks=tuple(notes.looks),
        states={peer: tuple(steps.steps) for peer, steps in notes.states.items()},
        terms={seat: tuple(steps.steps) for seat, steps in notes.terms.items()},
        heights={peer: tuple(steps.steps) for peer, steps in notes.heights.items()},
        backlog_us=_backlog_us(exchange, ops, notes.heights, last_end_us(faults, exchange.healed_us)),
        ops=ops,
        fills=tuple(market.fills),
        fates=dict(market.fates),
        voided=market.voided,
        blocks=market.blocks,
        votes={key: tuple(votes.values()) for key, votes in notes.votes.items()},
        op_spreads=notes.ops.all(),
        block_spreads=notes.blocks.all(),
        traffic=dict(sorted(notes.traffic.items(), key=lambda item: (-item[1].sent_bytes, item[0]))),
        tables=_largest_tables(exchange),
        slice=notes.flow.best(),
        authors={trader.identity.public_key: trader.name for trader in exchange.traders.values()},
        left_out=left_out,
    )


def last_end_us(faults: tuple[FaultSpan, ...], healed_us: int) -> int:
    """Return when the last fault ended; -1 if none began. One that never ended counts until the heal."""
    ends = [span.ended_us if span.ended_us >= 0 else healed_us for span in faults if span.began_us >= 0]
    return max(ends, default=-1)


def _fault_spans(exchange: Exchange) -> tuple[FaultSpan, ...]:
    assert exchange.injector is not None
    return tuple(
        FaultSpan(
            i.fault, i.began_us, i.ended_us, tuple(host.name for host in i.hosts), _sides(i.cuts, exchange.roles.hosts)
        )
        for i in exchange.injector.injected
    )


def _sides(cuts: list[Wire], hosts: list[Host]) -> str:
    """Return which hosts can reach one another over wires that are not cut, if that is more than one group."""
    severed = {frozenset(cut) for cut in cuts}
    left, groups = list(hosts), []
    while left:
        group = [left.pop(0)]
        for a in group:
            near = [b for b in left if frozenset((a.peer_id, b.peer_id)) not in severed]
            left = [b for b in left if b not in near]
            group += near
        groups.append(" ".join(host.name for host in group))
    return " | ".join(sorted(groups, key=len)) if len(groups) > 1 else ""


def _op_notes(exchange: Exchange, finals: dict[bytes, tuple[int, int]], left_out: dict[str, int]) -> tuple[OpNote, ...]:
    every = [(trader, signed) for trader in exchange.traders.values() for signed in trader.ops]
    every.sort(key=lambda pair: (pair[1].signed_us, pair[0].name, pair[1].op.pair, pair[1].op.seq))
    if len(every) > OP_NOTES_CAP:
        left_out["ops"] = len(every) - OP_NOTES_CAP
    return tuple(_op_note(trader, signed, finals) for trader, signed in every[:OP_NOTES_CAP])


def _op_note(trader: Trader, signed: SignedOp, finals: dict[bytes, tuple[int, int]]) -> OpNote:
    def heard_us(level: AckLevel) -> int:
        return signed.heard[level][0] if level in signed.heard else -1

    op = signed.op
    final_us, height = finals.get(op.id, (-1, 0))
    return OpNote(
        author=trader.name,
        key=op.author,
        id=op.id,
        pair=op.pair,
        seq=op.seq,
        home=trader.home.name,
        commands=tuple(say(command) for command in op.commands),
        places=tuple(command.client_id for command in op.commands if isinstance(command, AnyPlace)),
        signed_us=signed.signed_us,
        durable_us=heard_us(AckLevel.DURABLE),
        relayed_us=heard_us(AckLevel.RELAYED),
        certified_us=heard_us(AckLevel.CERTIFIED),
        final_us=final_us,
        height=height,
        refused=signed.refused,
        sends=signed.sends,
    )


def _backlog_us(exchange: Exchange, ops: tuple[OpNote, ...], heights: dict[int, Steps[int]], ended_us: int) -> int:
    """Return when all honest peers had final what was signed before the faults ended; -1 if never or without faults.

    The height of all pairs together, at the moment when the last such op was first final, is what each has to reach.
    """
    due = [op for op in ops if op.signed_us < ended_us and not op.refused]
    if ended_us < 0 or any(op.final_us < 0 for op in due):
        return -1
    last_us = max([ended_us, *(op.final_us for op in due)])
    series = [heights[host.index].steps for host in exchange.honest()]
    goal = max((value for steps in series for at_us, value in steps if at_us <= last_us), default=0)
    reached = [_reached_us(steps, goal, ended_us) for steps in series]
    return -1 if min(reached, default=-1) < 0 else max([last_us, *reached])


def _reached_us(steps: list[tuple[int, int]], goal: int, from_us: int) -> int:
    """Return when a series reaches its goal, from a moment on; -1 if never."""
    before = [value for at_us, value in steps if at_us <= from_us]
    if before and before[-1] >= goal:
        return from_us
    return next((at_us for at_us, value in steps if at_us > from_us and value >= goal), -1)


def _largest_tables(exchange: Exchange) -> dict[str, int]:
    """Return the largest size that the bounds checker saw of each table, largest first."""
    found: dict[str, int] = {}
    for checker in exchange.checkers:
        if isinstance(checker, BoundsChecker):
            found.update(checker.largest)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
