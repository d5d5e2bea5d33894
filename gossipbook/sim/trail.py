"""Tell how a failure came about: the messages that led to the block to blame, in order, as lines of text."""

from dataclasses import dataclass

from gossipbook.consensus.block import decode_block
from gossipbook.consensus.certificate import Certificate
from gossipbook.consensus.committee import COMMIT
from gossipbook.consensus.messages import CastVote, FinalizedBlock, GiveUp, Proof, Propose
from gossipbook.consensus.records import Finalized, TermChanged
from gossipbook.crdt.op import Op
from gossipbook.effects import LinkId
from gossipbook.errors import DecodeError
from gossipbook.gossip.messages import Push
from gossipbook.matching.events import FILL
from gossipbook.sim.checkers import Violation
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host, Observer
from gossipbook.sim.plan import Plan
from gossipbook.sim.run import run_plan
from gossipbook.wire.codec import decode_message

LINES_CAP = 80
EVENTS_CAP = 12


@dataclass(frozen=True, slots=True)
class _Step:
    at_us: int
    pair: str
    height: int  # 0: of no height, as a term change
    text: str


class _Trail(Observer):
    """Records every consensus message that is sent, and what becomes final."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        self.exchange: Exchange | None = None
        self._said: dict[tuple[str, str], None] = {}

    def attend(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.world.watch(self)

    def sent(self, host: Host, to: tuple[LinkId, ...], raw: bytes, now_us: int) -> None:
        try:
            message = decode_message(raw)
            if isinstance(message, Push):
                message = decode_message(message.payload)
        except DecodeError:
            return  # A liar's garbage is no cause of anything.
        told = _described(message)
        if told is None or (host.name, told[2]) in self._said:
            return
        self._said[host.name, told[2]] = None
        assert self.exchange is not None
        hosts = self.exchange.world.hosts
        names = ",".join(sorted(hosts[link].name for link in to if link in hosts))
        self.steps.append(_Step(now_us, told[0], told[1], f"{host.name} -> {names or 'nobody'}: {told[2]}"))

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if isinstance(event, TermChanged):
            self.steps.append(_Step(now_us, event.pair, 0, f"{host.name} enters term {event.term}"))
        if not isinstance(event, Finalized):
            return
        block = event.block
        text = f"{host.name} FINALIZES block {block.id.hex()[:8]} at height {block.height}"
        if (host.name, text) not in self._said:
            self._said[host.name, text] = None
            self.steps.append(_Step(now_us, event.pair, block.height, text + self._contents(event)))

    def crashed(self, host: Host, now_us: int) -> None:
        self.steps.append(_Step(now_us, "", 0, f"{host.name} is down: {host.why_down}"))

    def started(self, host: Host, now_us: int) -> None:
        if host.life > 1:
            self.steps.append(_Step(now_us, "", 0, f"{host.name} is back"))

    def _contents(self, event: Finalized) -> str:
        assert self.exchange is not None
        names = {trader.identity.public_key: trader.name for trader in self.exchange.traders.values()}
        ops = [f"{names.get(i.author, i.author.hex()[:6])} op {i.seq}" for i in event.items if isinstance(i, Op)]
        fills = [
            f"{e[3]} at {e[2]} {names.get(e[4], e[4].hex()[:6])}#{e[5]} with {names.get(e[6], e[6].hex()[:6])}#{e[7]}"
            for e in event.events
            if e[0] == FILL
        ][:EVENTS_CAP]
        return f" ({', '.join(ops[:EVENTS_CAP])})" + (f", fills {'; '.join(fills)}" if fills else "")


def causal_trail(plan: Plan, invariant: str) -> list[str]:
    """Run a failing plan again and tell how its first violation of an invariant came about; at most 80 lines."""
    trail = _Trail()
    outcome = run_plan(plan, also=trail.attend)
    violation = next((v for v in outcome.violations if v.invariant == invariant), None)
    if violation is None:
        return []
    lines = [f"{violation.invariant} {violation.at_us / 1e6:.3f} s: {violation.text}"]
    steps = [step for step in trail.steps if _leads_to(step, violation)]
    if len(steps) > LINES_CAP:
        lines.append(f"… {len(steps) - LINES_CAP} earlier steps")
    lines += [f"{step.at_us / 1e6:9.4f} s  {step.text}" for step in steps[-LINES_CAP:]]
    return lines


def _leads_to(step: _Step, violation: Violation) -> bool:
    """Return whether a step is before the violation, of its pair, and of its height or of none."""
    if step.at_us > violation.at_us or step.pair not in ("", violation.pair):
        return False
    return not violation.height or step.height in (0, violation.height)


def _described(message: object) -> tuple[str, int, str] | None:
    """Return pair, height and description of a consensus message; None for any other."""
    match message:
        case Propose(pair, _, term, height, block, tc, _, _):
            bound = "" if tc is None or tc.nc is None else f", bound to {tc.nc.block_id.hex()[:8]}"
            from_block = _block_id(block)
            return pair, height, f"PROPOSE term {term} height {height} block {from_block}{bound}"
        case CastVote(pair, _, vote):
            kind = "COMMIT" if vote.kind == COMMIT else "PREPARE"
            words = f"{kind} of seat {vote.seat} term {vote.term} height {vote.height} block {vote.block_id.hex()[:8]}"
            return pair, vote.height, words
        case GiveUp(pair, _, timeout, _, _, _):
            lock = "no lock" if timeout.lock_term is None else f"lock {timeout.lock_term}:{timeout.lock_id.hex()[:8]}"
            return pair, 0, f"TIMEOUT of seat {timeout.seat} term {timeout.term} fin {timeout.fin} {lock}"
        case Proof(pair, _, Certificate() as c):
            kind = "FC" if c.kind == COMMIT else "NC"
            return pair, c.height, f"{kind} term {c.term} height {c.height} block {c.block_id.hex()[:8]}"
        case FinalizedBlock(pair, _, _, fc, _):
            return pair, fc.height, f"final block {fc.block_id.hex()[:8]} at height {fc.height}"
    return None


def _block_id(raw: bytes) -> str:
    return decode_block(raw).id.hex()[:8]
