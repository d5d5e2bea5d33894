"""What an operator wants to know of a running peer, as log lines: what changed, and in bulk what was refused.

Lines go to the logger ``gossipbook.peer``; the pair they are about, if any, is the record's ``pair``. This is a
subscriber of the driver's and a task that looks once a second; it keeps no state that anything else reads.
"""

import logging
from collections import Counter

import trio

from gossipbook.consensus.records import PairHalted, TermChanged
from gossipbook.net.clock_offset import clock_trouble, time_trouble
from gossipbook.net.link import Link
from gossipbook.net.runtime import Runtime
from gossipbook.peer.condition import PairCondition
from gossipbook.wire.handshake import Role

log = logging.getLogger("gossipbook.peer")

LOOK_S = 1.0
BULK_S = 60.0
REASONS_TOLD_CAP = 12
"""Reasons of refusals in one line; the others are summed up."""


class Reporting:
    """One peer's log lines. ``run`` it in a nursery."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._conditions: dict[str, PairCondition] = {}
        self._observers: dict[str, str] = {}
        self._refused: Counter[str] = Counter()
        self._slow_commits = 0
        self._archive_trouble = ""
        self._troubled: dict[str, bool] = {}  # by pair, and for this clock by no pair
        runtime.driver.subscribers.append(self._on_event)
        runtime.driver.on_link_up.append(self._on_link_up)
        runtime.driver.on_link_end.append(self._on_link_end)

    async def run(self) -> None:
        """Look every second, and tell what was refused every minute, until cancelled."""
        bulk_s = trio.current_time() + BULK_S
        while True:
            self.look()
            if trio.current_time() >= bulk_s:
                self.tell_bulk()
                bulk_s = trio.current_time() + BULK_S
            await trio.sleep(LOOK_S)

    def look(self) -> None:
        """Tell what is not as it was a second ago."""
        for symbol, pair in self._runtime.peer.pairs.items():
            condition, absent = pair.state()
            before = self._conditions.get(symbol)
            if condition is not before:
                self._conditions[symbol] = condition
                self._tell_condition(symbol, before, condition, absent)
            self._tell_change(symbol, time_trouble(pair, self._runtime.manifest.timing), "block time goes on")
            reason = pair.replica.member.observer_reason
            if reason != self._observers.get(symbol, ""):
                self._observers[symbol] = reason
                if reason:
                    log.warning("this member does not vote: %s", reason, extra={"pair": symbol})
        trouble = clock_trouble(self._runtime.clock_offset_ms, self._runtime.manifest.timing)
        self._tell_change("", trouble, "this clock agrees with the committee's")
        trouble = self._runtime.archivist.trouble
        if trouble != self._archive_trouble:
            self._archive_trouble = trouble
            log.warning("%s", trouble or "the archive of events is complete again")

    def _tell_change(self, symbol: str, trouble: str, over: str) -> None:
        """Tell that something is wrong when it begins, and that it is over; how much of it there is may change."""
        before = self._troubled.get(symbol, False)
        if bool(trouble) is not before:
            self._troubled[symbol] = bool(trouble)
            log.log(
                logging.WARNING if trouble else logging.INFO,
                "%s",
                trouble or over,
                extra={"pair": symbol} if symbol else None,
            )

    def tell_bulk(self) -> None:
        """Tell what was refused, and how often the disk was slow, since this was last called."""
        now = self._runtime.rejected
        news = now - self._refused
        self._refused = now
        if news:
            listed = [f"{reason} ×{count:,}" for reason, count in news.most_common(REASONS_TOLD_CAP)]
            more = len(news) - len(listed)
            log.info("refused: %s%s", "; ".join(listed), f"; and {more} other reasons" if more else "")
        slow = self._runtime.driver.counts["slow commits"]
        if slow > self._slow_commits:
            worst_ms = self._runtime.driver.slowest_commit_ms
            log.warning(
                "the disk is slow: %d commits took long, the slowest so far %d ms", slow - self._slow_commits, worst_ms
            )
            self._slow_commits = slow

    # -- what happens -------------------------------------------------------------------------------

    def _tell_condition(
        self, symbol: str, before: PairCondition | None, condition: PairCondition, absent: list[str]
    ) -> None:
        extra = {"pair": symbol}
        match condition:
            case PairCondition.CERTIFYING if before is PairCondition.NO_QUORUM:
                log.info("quorum regained", extra=extra)
            case PairCondition.CERTIFYING:
                log.info("certifying", extra=extra)
            case PairCondition.NO_QUORUM if before is None:
                log.info("no quorum yet; absent: %s", ", ".join(absent), extra=extra)
            case PairCondition.NO_QUORUM:
                log.warning("quorum lost; absent: %s", ", ".join(absent), extra=extra)
            case PairCondition.SYNCING:
                log.info("catching up, from height %d", self._runtime.peer.pairs[symbol].replica.fin, extra=extra)
            case _:
                log.error("stopped for good: %s", condition.value, extra=extra)

    def _on_event(self, event: object) -> None:
        match event:
            case TermChanged(symbol, term, why):
                pair = self._runtime.peer.pairs[symbol]
                leader = pair.committee.seats[pair.committee.leader(term)].name
                log.info("takeover: term %d, led by %s, since %s", term, leader, why, extra={"pair": symbol})
            case PairHalted(symbol, reason, _):
                log.error("halted: %s", reason.value, extra={"pair": symbol})
            case _:
                pass

    def _on_link_up(self, link: Link) -> None:
        way = "to" if link.outbound else "from"
        level = logging.DEBUG if link.hello.role is Role.CLIENT else logging.INFO
        log.log(level, "link up: %s, %s %s", self._name(link), way, link.channel.remote)

    def _on_link_end(self, link: Link) -> None:
        level = logging.DEBUG if link.hello.role is Role.CLIENT else logging.INFO
        log.log(level, "link down: %s: %s", self._name(link), link.end_word())

    def _name(self, link: Link) -> str:
        for matcher in self._runtime.manifest.matchers:
            if matcher.public_key == link.hello.public_key:
                return matcher.name
        return f"{link.hello.role.value} {link.hello.peer_id.hex()[:10]}"
