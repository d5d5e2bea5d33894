"""Rules 1 and 2: putting blocks forward as leader, and preparing the leader's blocks as member."""

from typing import NamedTuple

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import TermChange
from gossipbook.consensus.events import WakeTimer
from gossipbook.consensus.member import Member
from gossipbook.consensus.selection import Ages, first_come, given_up, is_passed_over, select, unjustly_omitted
from gossipbook.consensus.validity import Fault, misfit, unbound, unfounded, unordered, untimely
from gossipbook.consensus.words import BlockFault
from gossipbook.crdt.author_log import NEVER_MS
from gossipbook.crdt.budget import within_limits
from gossipbook.crdt.interpretation import Execution, Item, PairState
from gossipbook.crdt.ops_on_top import Pool
from gossipbook.effects import Now, SetTimer
from gossipbook.ids import BlockId
from gossipbook.refusals import Scope

FLIGHTS = 4
"""The time that a proposal takes is that of about so many of the latest."""
LEAST_FORGOTTEN = 1_024
"""The least time that one took grows by one in so many parts with each: routes change."""
MOST_IN_FLIGHT = 8
"""Whatever the manifest's depth: by so many parts of its time proposals are apart while none is in flight."""


class _Offer(NamedTuple):
    """A proposal of this term's leader, the TC that it shows, and when it came, by this member's own clock."""

    block: Block
    tc: TermChange | None
    came_ms: int


class Proposing:
    """The proposals of a replica's present term, its own ones included."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self.refused: Fault | None = None  # why the next proposal may not be prepared, once that is certain
        self.offers: dict[int, _Offer] = {}  # the leader's first by height
        self._passed: dict[BlockId, None] = {}  # fresh blocks of this term that this member found timely and fair
        self._waking: BlockId = b""  # the block whose time a timer waits for
        self._newcomers_alone_ms = NEVER_MS  # when a block of newcomers alone was made here
        self._company_until_ms = NEVER_MS  # till when a timer lets the next ones wait
        self._put_ms: dict[int, int] = {}  # when each of the own proposals in flight was made, by height
        self._last_put_ms = NEVER_MS
        self._flight_ms = 0  # how long a proposal takes to become final, by the latest ones
        self._least_ms = 0  # and at least, by all of them
        self._pause_until_ms = NEVER_MS  # till when a timer lets the next proposal wait
        self._of_next_term: dict[int, tuple[int, _Offer]] = {}  # that came with the TC of their term: it, by height

    def offer(self, block: Block, term: int, tc: TermChange | None) -> None:
        """A leader's genuine proposal with the valid TC that it shows; of this term, or of the one about to be entered.

        It is judged by that TC, not by the one that this member entered the term by: members may know different
        ones, and whichever of them a leader obeys, it proposes nothing that contradicts a final block.
        """
        member = self._member
        fault = unbound(block, term, tc, member.committee)
        if fault is not None:
            member.refusals.count(Scope.PROPOSAL, fault)
        elif term == member.ballot.term:
            if block.height not in self.offers:
                member.hold(block)
                self.offers[block.height] = _Offer(block, tc, member.wall_ms)
        elif block.height not in self._of_next_term or self._of_next_term[block.height][0] < term:
            member.hold(block)
            self._of_next_term[block.height] = term, _Offer(block, tc, member.wall_ms)

    def entered_term(self) -> None:
        """What an earlier leader proposed binds nobody."""
        following, self._of_next_term = self._of_next_term, {}
        self._passed, self.refused, self._put_ms = {}, None, {}
        term = self._member.ballot.term
        self.offers = {height: offer for height, (of_term, offer) in following.items() if of_term == term}

    def woken(self) -> None:
        """A timer went off; if it was early by this clock, what it waited for is waited for again."""
        self._waking, self._company_until_ms, self._pause_until_ms = b"", NEVER_MS, NEVER_MS

    def advanced(self) -> None:
        """A height was finalized."""
        fin = self._member.fin
        put_ms = self._put_ms.pop(fin, None)
        if put_ms is not None:
            took_ms = max(self._member.timer_ms - put_ms, 1)
            self._flight_ms += (took_ms - self._flight_ms) // FLIGHTS if self._flight_ms else took_ms
            self._least_ms = min(took_ms, self._least_ms + self._least_ms // LEAST_FORGOTTEN) or took_ms
        self.offers = {height: offer for height, offer in self.offers.items() if height > fin}
        self._of_next_term = {height: each for height, each in self._of_next_term.items() if height > fin}
        if self._passed:
            self._passed = {key: None for key in self._passed if self._member.chain.block(key) is not None}
        self.refused = None

    # -- rule 1 ---------------------------------------------------------------------------------------

    def propose(self, now: Now) -> bool:
        """Rule 1."""
        member = self._member
        if not member.voting or not member.ballot.may_propose():
            return False
        fin, parent = member.fin, member.tip
        if member.proposed:
            highest = max(member.proposed)
            parent = member.proposed[highest][0]
            if highest >= fin + member.committee.depth:
                return False
        elif member.ballot.term > 0:
            tc = member.ballot.state.high_tc
            if tc is None or fin < tc.high_fin:
                return False
            base = tc.base(member.committee)
            if base.is_locked and base.height > fin:
                return self._propose_again(base.block_id, tc, now)
        if member.committee.is_deep and (not self._has_more(parent, now) or self._pauses(now)):
            return False
        if member.proposed and not self._may_go_on(parent):
            return False
        block = self._fresh_block(parent, now)
        return block is not None and self._put_forward(block)

    def _has_more(self, parent: BlockId, now: Now) -> bool:
        """Whether there may be something that the blocks in flight did without."""
        member = self._member
        pool, state = member.pool_after(parent), member.speculation.after(parent)
        time_ms = max(now.wall_ms, state.time_ms + 1)
        is_there = any(True for _ in pool.eligible())
        return is_there or state.due(time_ms) or member.ops.awaits_time(state, time_ms)

    def _pauses(self, now: Now) -> bool:
        """Whether the next proposal waits, so that those in flight are spread evenly over the time that one takes.

        Each costs all members the same with one op as with ten. If one takes longer than it did at best, members are
        busy and not far: then there are fewer by the square of that, and more ops come together in one; up to less
        than one at a time, as long as the term lasts.
        """
        member = self._member
        parts = member.committee.depth if member.proposed else MOST_IN_FLIGHT
        least_ms = max(self._least_ms, 1)
        apart_ms = self._flight_ms**3 // (parts * least_ms * least_ms)
        most_ms = self._flight_ms + member.manifest.timing.timeout_base_ms // 10
        until_ms = self._last_put_ms + max(min(apart_ms, most_ms), member.config.proposals_apart_ms)
        if now.timer_ms >= until_ms:
            return False
        if self._pause_until_ms < until_ms:
            self._pause_until_ms = until_ms
            member.outbox.put(SetTimer(until_ms - now.timer_ms, WakeTimer(member.committee.symbol)))
        return True

    def _may_go_on(self, parent: BlockId) -> bool:
        """Whether another block may be proposed on top of one that is not final.

        All that is in flight must be checked and executed within the time that a term has, which is that of two full
        blocks: so when there is as much as in a full one, the next one waits.
        """
        member = self._member
        line, limits = member.chain.line(parent), member.manifest.limits
        if not line.is_on_tip or member.follow(line.blocks, member.committee.seats[0].peer_id) is not True:
            return False
        events = sum(len(member.speculation.layer(block.id).execution.events) for block in line.blocks)
        items = (item for block in line.blocks for item in member.ops.resolve(block.op_ids)[0])
        return events < limits.max_block_work and within_limits(items, limits, member.manifest.rules_version)

    def _propose_again(self, block_id: BlockId, tc: TermChange, now: Now) -> bool:
        """Put the locked block forward exactly as it is; where others follow it, once it is executed."""
        member = self._member
        assert tc.nc is not None
        blocks = member.certified_line(tc.nc, now)
        if blocks is None or (member.committee.is_deep and member.follow(blocks, member.voter(tc.nc)) is not True):
            return False
        return self._put_forward(blocks[-1])

    def _fresh_block(self, parent: BlockId, now: Now) -> Block | None:
        member = self._member
        pool, state = member.pool_after(parent), member.speculation.after(parent)
        limits = member.manifest.limits
        time_ms = max(now.wall_ms, state.time_ms + 1)
        ages = self._ages(now, time_ms)
        if self._awaits_company(pool, state, now) and not state.due(time_ms):
            return None
        chosen = select(pool, state, limits, ages)
        if not chosen and not state.due(time_ms) and not member.ops.awaits_time(state, time_ms):
            return None
        items = canonical_order(parent, chosen)
        execution = member.speculation.try_out(parent, time_ms, items)
        if is_passed_over(items[execution.ran :], items[: execution.ran], pool, state, ages):
            items, execution = self._first_come(parent, items, pool, state, ages)
        if items and all(state.needs_place(item.author) for item in items):
            self._newcomers_alone_ms = now.timer_ms
        return self._block_of(parent, items, execution)

    def _first_come(
        self, parent: BlockId, items: list[Item], pool: Pool, state: PairState, ages: Ages
    ) -> tuple[list[Item], Execution]:
        """Of more than there is work for, what came first, and what comes of it: as much as can be done whole.

        Where classes go first whatever waits, whoever sends much of the first would keep out all others. If somebody
        would leave with that block while their op waits, it is one item more, so that it is full and nobody leaves.
        """
        speculation = self._member.speculation
        waiting = first_come(items, pool, state, ages)
        fewest, too_many = 1, len(waiting) + 1  # A block has work for any op.
        while too_many - fewest > 1:
            middle = (fewest + too_many) // 2
            chosen = canonical_order(parent, waiting[:middle])
            if speculation.try_out(parent, ages.block_ms, chosen).ran == middle:
                fewest = middle
            else:
                too_many = middle
        chosen = canonical_order(parent, waiting[:fewest])
        execution = speculation.try_out(parent, ages.block_ms, chosen)
        if any(log.main for log in map(pool.logs.get, execution.left) if log is not None):
            chosen = canonical_order(parent, waiting[: fewest + 1])
            execution = speculation.try_out(parent, ages.block_ms, chosen)
        return chosen, execution

    def _awaits_company(self, pool: Pool, state: PairState, now: Now) -> bool:
        """Whether there are newcomers' first ops only, and a block of such alone was made just now.

        A block costs all members the same with one op as with ten, and keys cost nothing: who brings one a moment
        would make a block a moment, for whose end everybody else's next op would have to wait.
        """
        member = self._member
        most_ms = member.manifest.timing.timeout_base_ms // 10  # Whoever waits has the leader's time.
        until_ms = self._newcomers_alone_ms + min(member.config.newcomer_pause_ms, most_ms)
        if now.timer_ms >= until_ms:
            return False
        authors = [author for author, _ in pool.eligible()]
        if not authors or not all(map(state.needs_place, authors)):
            return False
        if self._company_until_ms < until_ms:
            self._company_until_ms = until_ms
            member.outbox.put(SetTimer(until_ms - now.timer_ms, WakeTimer(member.committee.symbol)))
        return True

    def _block_of(self, parent: BlockId, items: list[Item], execution: Execution) -> Block:
        """A block of as many of some items, in canonical order, as ran when they were tried out.

        The beginning of a canonical order is one, too; and a block that is full has nobody leave, whoever acts in it.
        """
        member = self._member
        items = items[: execution.ran]
        block = make_block(
            chain_id=member.committee.chain_id,
            epoch=member.committee.epoch,
            pair=member.committee.symbol,
            height=member.fin + len(member.chain.line(parent).blocks) + 1,
            parent=parent,
            proposer=member.public_key,
            created_term=member.ballot.term,
            time_ms=execution.time_ms,
            op_ids=tuple(item.id for item in items),
            events_digest=execution.events_digest,
        )
        member.speculation.name(block.id)
        return block

    def _put_forward(self, block: Block) -> bool:
        member = self._member
        parent_fc = None if member.committee.is_deep else member.chain.fc
        message = member.ballot.propose(block.height, block, parent_fc)
        member.hold(block)
        member.proposed[block.height] = block.id, message
        self._put_ms[block.height] = self._last_put_ms = member.timer_ms
        self.offers[block.height] = _Offer(block, message.tc, member.wall_ms)
        # That this member proposes in the term is durable before the first proposal leaves, and no one votes before.
        member.outbox.send(member.peers, message, at_once=member.certificates.are_of(member.ballot.term))
        return True

    # -- rule 2 ---------------------------------------------------------------------------------------

    def prepare(self, now: Now) -> bool:
        """Rule 2."""
        member, last = self._member, self._member.ballot.last_prepared
        lowest = member.fin if last is None else max(member.fin, last.height)
        height = min((height for height in self.offers if height > lowest), default=None)
        if height is None or self.refused or not member.voting or not member.ballot.may_prepare(height):
            return False
        if height > member.fin + member.committee.depth:
            return False
        offer = self.offers[height]
        line = member.chain.line(offer.block.id)
        if line.missing is not None and height > member.fin + 1:
            member.outbox.extend(member.catch_up.want_block(line.missing, now))
        if not line.is_on_tip or any(misfit(block, member.committee) for block in line.blocks):
            return False
        if member.committee.is_deep:
            fault = unfounded(line, offer.tc, member.ballot.term, last, member.chain, member.committee)
            if fault is not None:
                member.refusals.count(Scope.PROPOSAL, fault)
                del self.offers[height]
                return False
        return self._judge(line.blocks, now)

    def _judge(self, blocks: list[Block], now: Now) -> bool:
        """Prepare the last of some blocks, each a child of the one before, unless one of them forbids it."""
        member = self._member
        term, leader = member.ballot.term, member.committee.seats[member.committee.leader(member.ballot.term)].peer_id
        for number, block in enumerate(blocks):
            items = member.bodies(block, leader)
            if items is None:
                return False
            state = member.speculation.after(block.parent)
            is_executed = member.speculation.holds(block.id)
            fault = None if is_executed else unordered(block, items, state, member.manifest)
            is_fresh = block.created_term == term and block.id not in self._passed
            if is_fresh and number < len(blocks) - 1:
                is_fresh = not member.certificates.covers([above.id for above in blocks[number:]], term)
            if not fault and is_fresh and self._doubts_time(block, state, now):
                return False
            if not fault and not member.speculation.execute(block, items):
                fault = BlockFault.OTHER_EVENTS
            if not fault and is_fresh:
                fault = self._unfair(block, items, state, self._ages(now, block.time_ms))
                if not fault and not member.speculation.holds(block.id):
                    member.speculation.execute(block, items)  # Another one was tried.
            if fault:
                return self._refuse(fault, now)
            self._passed[block.id] = None
        for block in blocks:
            member.store(block)
        member.cast(member.ballot.prepare(blocks[-1].height, blocks[-1].id))
        return True

    def _refuse(self, fault: Fault, now: Now) -> bool:
        """Give up a term whose leader proposed what no honest one would; whether that was possible now."""
        member = self._member
        self.refused = fault
        member.refusals.count(Scope.PROPOSAL, fault)
        return member.may_give_up_early(now) and member.time_out(f"the leader's block was not prepared: {fault}")

    def _doubts_time(self, block: Block, state: PairState, now: Now) -> bool:
        """Whether a fresh block's time keeps me from preparing it now; looks again when it came too early.

        It is not too old for having waited here for its ops. ``state`` is what it is executed on.
        """
        member = self._member
        timing = member.manifest.timing
        offer = self.offers.get(block.height)
        came_ms = now.wall_ms if offer is None or offer.block != block else min(now.wall_ms, offer.came_ms)
        doubt = untimely(block, member.committee, state.time_ms, came_ms, timing.clock_tolerance_ms)
        if doubt is BlockFault.TOO_NEW:
            doubt = untimely(block, member.committee, state.time_ms, now.wall_ms, timing.clock_tolerance_ms)
        wait_ms = block.time_ms - now.wall_ms - timing.clock_tolerance_ms
        if doubt is BlockFault.TOO_NEW and wait_ms < timing.timeout_base_ms:
            if self._waking == block.id:
                return True
            self._waking = block.id
            member.outbox.put(SetTimer(max(1, wait_ms), WakeTimer(member.committee.symbol)))
        elif doubt is not None:
            self.refused = doubt
            member.refusals.count(Scope.PROPOSAL, doubt)
        return doubt is not None

    def _unfair(self, block: Block, items: list[Item], state: PairState, ages: Ages) -> BlockFault | None:
        """What is wrong with a fresh block that was executed, for what it does without."""
        member = self._member
        pool, execution = member.pool_after(block.parent), member.speculation.layer(block.id).execution
        omitted = unjustly_omitted(
            items,
            pool,
            state,
            member.manifest.limits,
            ages,
            is_full=execution.is_full,
            is_too_much=lambda item: self._is_too_much(block.parent, [*items, item], ages),
        )
        if omitted is not None:
            return BlockFault.OMITS_DUE
        return None if given_up(execution.left, pool, ages) is None else BlockFault.GIVES_UP_OP

    def _is_too_much(self, parent: BlockId, items: list[Item], ages: Ages) -> bool:
        """Whether a block could not do all of these items."""
        execution = self._member.speculation.try_out(parent, ages.block_ms, canonical_order(parent, items))
        return execution.ran < len(items)

    def _ages(self, now: Now, block_ms: int) -> Ages:
        member = self._member
        return Ages(now.timer_ms, member.term_started_ms, member.manifest.timing.inclusion_age_ms, block_ms)
