"""Rules 1 and 2: putting a block forward as leader, and preparing the leader's block as member."""

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import TermChange
from gossipbook.consensus.events import WakeTimer
from gossipbook.consensus.member import Member
from gossipbook.consensus.selection import Ages, first_come, given_up, is_passed_over, select, unjustly_omitted
from gossipbook.consensus.validity import Fault, misfit, unbound, unordered, untimely
from gossipbook.consensus.words import BlockFault
from gossipbook.crdt.author_log import NEVER_MS
from gossipbook.crdt.interpretation import Execution, Item
from gossipbook.effects import Now, SetTimer
from gossipbook.ids import BlockId
from gossipbook.refusals import Scope


class Proposing:
    """The proposals of a replica's present term, its own ones included."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self.refused: Fault | None = None  # why the present proposal may not be prepared, once that is certain
        self.proposals: dict[int, Block] = {}  # the first of this term's leader by height: the next one, or one more
        self._came_ms: dict[int, int] = {}  # when each of these came, by this member's own clock
        self._waking: BlockId = b""  # the block whose time a timer waits for
        self._newcomers_alone_ms = NEVER_MS  # when a block of newcomers alone was made here
        self._company_until_ms = NEVER_MS  # till when a timer lets the next ones wait
        self._of_next_term: tuple[int, Block, int] | None = None  # one that came with the TC of its term, and when

    def offer(self, block: Block, term: int, tc: TermChange | None) -> None:
        """A leader's genuine proposal with the valid TC that it shows; of this term, or of the one about to be entered.

        It is judged by that TC, not by the one that this member entered the term by: members may know different
        ones, and whichever of them a leader obeys, it proposes nothing that contradicts a final block.
        """
        fault = unbound(block, term, tc)
        if fault is not None:
            self._member.refusals.count(Scope.PROPOSAL, fault)
        elif term == self._member.ballot.term:
            if block.height not in self.proposals:
                self._member.hold(block)
                self.proposals[block.height] = block
                self._came_ms[block.height] = self._member.wall_ms
        elif self._of_next_term is None or self._of_next_term[0] < term:
            self._member.hold(block)
            self._of_next_term = (term, block, self._member.wall_ms)

    def entered_term(self) -> None:
        """What an earlier leader proposed binds nobody."""
        following, self._of_next_term = self._of_next_term, None
        self.proposals, self._came_ms = {}, {}
        self.refused = None
        if following is not None and following[0] == self._member.ballot.term:
            _, block, came_ms = following
            self.proposals[block.height] = block
            self._came_ms[block.height] = came_ms

    def woken(self) -> None:
        """A timer went off; if it was early by this clock, what it waited for is waited for again."""
        self._waking, self._company_until_ms = b"", NEVER_MS

    def advanced(self) -> None:
        """A height was finalized."""
        fin = self._member.fin
        self.proposals = {height: block for height, block in self.proposals.items() if height > fin}
        self._came_ms = {height: came_ms for height, came_ms in self._came_ms.items() if height > fin}
        self.refused = None

    def propose(self, now: Now) -> bool:
        """Rule 1."""
        member = self._member
        if not member.voting or not member.ballot.may_propose(member.fin + 1):
            return False
        block: Block | None
        if member.ballot.term > 0:
            tc = member.ballot.state.high_tc
            if tc is None or member.fin < tc.high_fin:
                return False
            lock = tc.high_lock
            if member.fin == tc.high_fin and lock is not None:
                block = member.chain.block(lock.lock_id)
                if block is None:
                    member.outbox.extend(member.catch_up.want_block(lock.lock_id, now))
                return block is not None and self._put_forward(block)
        block = self._fresh_block(now)
        return block is not None and self._put_forward(block)

    def _fresh_block(self, now: Now) -> Block | None:
        member = self._member
        ops, certified, limits = member.ops, member.certified, member.manifest.limits
        time_ms = max(now.wall_ms, certified.time_ms + 1)
        ages = self._ages(now, time_ms)
        if self._awaits_company(now) and not certified.due(time_ms):
            return None
        chosen = select(ops, certified, limits, ages)
        if not chosen and not certified.due(time_ms) and not ops.awaits_time():
            return None
        items = canonical_order(member.tip, chosen)
        execution = member.speculation.try_out(time_ms, items)
        if is_passed_over(items[execution.ran :], items[: execution.ran], ops, certified, ages):
            items, execution = self._first_come(items, ages)
        if items and all(certified.needs_place(item.author) for item in items):
            self._newcomers_alone_ms = now.timer_ms
        return self._block_of(items, execution)

    def _first_come(self, items: list[Item], ages: Ages) -> tuple[list[Item], Execution]:
        """Of more than there is work for, what came first, and what comes of it: as much as can be done whole.

        Where classes go first whatever waits, whoever sends much of the first would keep out all others. If somebody
        would leave with that block while their op waits, it is one item more, so that it is full and nobody leaves.
        """
        member = self._member
        waiting = first_come(items, member.ops, member.certified, ages)
        fewest, too_many = 1, len(waiting) + 1  # A block has work for any op.
        while too_many - fewest > 1:
            middle = (fewest + too_many) // 2
            chosen = canonical_order(member.tip, waiting[:middle])
            if member.speculation.try_out(ages.block_ms, chosen).ran == middle:
                fewest = middle
            else:
                too_many = middle
        chosen = canonical_order(member.tip, waiting[:fewest])
        execution = member.speculation.try_out(ages.block_ms, chosen)
        if any(member.ops.pending(author) for author in execution.left):
            chosen = canonical_order(member.tip, waiting[: fewest + 1])
            execution = member.speculation.try_out(ages.block_ms, chosen)
        return chosen, execution

    def _awaits_company(self, now: Now) -> bool:
        """Whether there are newcomers' first ops only, and a block of such alone was made just now.

        A block costs all members the same with one op as with ten, and keys cost nothing: who brings one a moment
        would make a block a moment, for whose end everybody else's next op would have to wait.
        """
        member = self._member
        most_ms = member.manifest.timing.timeout_base_ms // 10  # Whoever waits has the leader's time.
        until_ms = self._newcomers_alone_ms + min(member.config.newcomer_pause_ms, most_ms)
        if now.timer_ms >= until_ms:
            return False
        authors = [author for author, _ in member.ops.eligible()]
        if not authors or not all(map(member.certified.needs_place, authors)):
            return False
        if self._company_until_ms < until_ms:
            self._company_until_ms = until_ms
            member.outbox.put(SetTimer(until_ms - now.timer_ms, WakeTimer(member.committee.symbol)))
        return True

    def _block_of(self, items: list[Item], execution: Execution) -> Block:
        """A block of as many of some items, in canonical order, as ran when they were tried out.

        The beginning of a canonical order is one, too; and a block that is full has nobody leave, whoever acts in it.
        """
        member = self._member
        items = items[: execution.ran]
        block = make_block(
            chain_id=member.committee.chain_id,
            epoch=member.committee.epoch,
            pair=member.committee.symbol,
            height=member.fin + 1,
            parent=member.tip,
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
        member.ballot.propose(block.height, block.id)
        member.hold(block)
        self.proposals[block.height] = block
        self._came_ms[block.height] = member.wall_ms
        member.outbox.store_block(block)
        member.outbox.send(member.peers, member.ballot.proposal(block.raw, member.chain.fc))
        return True

    def prepare(self, now: Now) -> bool:
        """Rule 2."""
        member = self._member
        block = self.proposals.get(member.fin + 1)
        if block is None or self.refused or not member.voting or not member.ballot.may_prepare(member.fin + 1):
            return False
        if misfit(block, member.committee, member.fin, member.tip):
            return False
        items, missing = member.ops.resolve(block.op_ids)
        if missing:
            leader = member.committee.seats[member.committee.leader(member.ballot.term)].peer_id
            member.outbox.extend(member.catch_up.want(missing, leader))
            return False
        fresh = block.created_term == member.ballot.term
        fault = unordered(block, items, member.certified, member.manifest)
        if not fault and fresh and self._doubts_time(block, now):
            return False
        if not fault and not member.speculation.execute(block, items):
            fault = BlockFault.OTHER_EVENTS
        if not fault and fresh:
            fault = self._unfair(items, self._ages(now, block.time_ms))
            if not fault and not member.speculation.holds(block.id):
                member.speculation.execute(block, items)  # Another one was tried.
        if fault:
            self.refused = fault
            member.refusals.count(Scope.PROPOSAL, fault)
            if not member.may_give_up_early(now):
                return False
            member.time_out(f"the leader's block was not prepared: {fault}")
            return True
        member.store(block, items)
        member.cast(member.ballot.prepare(block.height, block.id))
        return True

    def _doubts_time(self, block: Block, now: Now) -> bool:
        """Whether a fresh block's time keeps me from preparing it now; looks again when it came too early.

        It is not too old for having waited here for its ops.
        """
        member = self._member
        timing = member.manifest.timing
        came_ms = min(now.wall_ms, self._came_ms.get(block.height, now.wall_ms))
        doubt = untimely(block, member.committee, member.certified.time_ms, came_ms, timing.clock_tolerance_ms)
        if doubt is BlockFault.TOO_NEW:
            doubt = untimely(block, member.committee, member.certified.time_ms, now.wall_ms, timing.clock_tolerance_ms)
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

    def _unfair(self, items: list[Item], ages: Ages) -> BlockFault | None:
        """What is wrong with a fresh block that was executed, for what it does without."""
        member, block = self._member, self._member.speculation
        left = block.left
        omitted = unjustly_omitted(
            items,
            member.ops,
            member.certified,
            member.manifest.limits,
            ages,
            is_full=block.is_full,
            is_too_much=lambda item: self._is_too_much([*items, item], ages),
        )
        if omitted is not None:
            return BlockFault.OMITS_DUE
        return None if given_up(left, member.ops, ages) is None else BlockFault.GIVES_UP_OP

    def _is_too_much(self, items: list[Item], ages: Ages) -> bool:
        """Whether a block could not do all of these items."""
        execution = self._member.speculation.try_out(ages.block_ms, canonical_order(self._member.tip, items))
        return execution.ran < len(items)

    def _ages(self, now: Now, block_ms: int) -> Ages:
        member = self._member
        return Ages(now.timer_ms, member.term_started_ms, member.manifest.timing.inclusion_age_ms, block_ms)
