"""A peer's figures as Prometheus' families. Labels are words of this program, the manifest's pairs, and few reasons."""

import importlib.metadata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gossipbook.consensus.records import Finalized
from gossipbook.crdt.op import Op
from gossipbook.monitor.health import free_bytes, troubles
from gossipbook.net.clock import system_now
from gossipbook.net.link import Link
from gossipbook.net.runtime import Runtime
from gossipbook.peer.condition import PairCondition
from gossipbook.peer.pair_summary import read_standing
from gossipbook.refusals import Scope

REASONS_CAP: Final = 200
"""Reasons of refusals that get a figure of their own; the rarer ones are summed up as ``other``."""
CERTIFY_BUCKETS_S: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
FSYNC_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
LANES_DROPPED: Final = "dropped "

Families = list[Metric]


class Figures(Collector):
    """One running peer's. ``collect`` is called by the thread that serves, and asks the loop for a snapshot.

    ``in_loop`` runs a function between two of the core's turns and returns what it does.
    """

    def __init__(self, runtime: Runtime, in_loop: Callable[[Callable[[], Families]], Families]) -> None:
        self.registry = CollectorRegistry()
        self._runtime = runtime
        self._in_loop = in_loop
        self._dropped: Counter[str] = Counter()  # of links that have ended
        self._frames: Counter[str] = Counter()
        certify = "Seconds from an op's coming to this peer until the block with it was final here"
        self._certify = Histogram(
            "gossipbook_certify_seconds", certify, registry=self.registry, buckets=CERTIFY_BUCKETS_S
        )
        fsync = "Seconds that a transaction of the journal took to be on disk"
        self._fsync = Histogram("gossipbook_fsync_seconds", fsync, registry=self.registry, buckets=FSYNC_BUCKETS_S)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(self)
        runtime.driver.on_commit.append(self._fsync.observe)
        runtime.driver.subscribers.append(self._on_event)
        runtime.driver.on_link_end.append(self._on_link_end)

    def _on_event(self, event: object) -> None:
        if isinstance(event, Finalized):
            arrivals, now_ms = self._runtime.peer.pairs[event.pair].arrivals, system_now().wall_ms
            for item in event.items:
                if isinstance(item, Op) and (arrival := arrivals.of(item.id)) is not None:
                    self._certify.observe(max(now_ms - arrival.time_ms, 0) / 1_000)

    def _on_link_end(self, link: Link) -> None:
        self._dropped += _dropped(link)
        self._frames += _frames(link)

    # -- collecting ---------------------------------------------------------------------------------

    def describe(self) -> list[Metric]:
        """Nothing is said beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families, as of one moment."""
        yield from self._in_loop(self._families)

    def _families(self) -> Families:
        return [*self._of_process(), *self._of_links(), *self._of_refusals(), *self._of_pairs()]

    def _of_process(self) -> Iterator[Metric]:
        runtime, driver = self._runtime, self._runtime.driver
        info = GaugeMetricFamily("gossipbook_info", "This peer", labels=["version", "network", "peer"])
        version = importlib.metadata.version("gossipbook")
        info.add_metric([version, runtime.manifest.name, runtime.identity.peer_id.hex()], 1)
        yield info
        yield GaugeMetricFamily("gossipbook_ready", "1 if it is ready, as /readyz says", value=not troubles(runtime))
        offset = runtime.clock_offset_ms
        name = "gossipbook_clock_offset_seconds"
        yield GaugeMetricFamily(name, "How far this clock is ahead of the committees'", value=(offset or 0) / 1_000)
        known = "1 if the committees' clocks are known"
        yield GaugeMetricFamily("gossipbook_clock_offset_known", known, value=offset is not None)
        bad = "1 if the archive of events is behind or of no use"
        yield GaugeMetricFamily("gossipbook_archive_trouble", bad, value=bool(runtime.archivist.trouble))
        if runtime.settings.folder is not None:
            free = free_bytes(runtime.settings.folder)
            yield GaugeMetricFamily("gossipbook_disk_free_bytes", "Free on the disk of its folder", value=free)
        nodes = len(runtime.dht.good_nodes()) if runtime.dht is not None else 0
        yield GaugeMetricFamily("gossipbook_dht_nodes", "Nodes of the DHT that answered lately", value=nodes)
        yield GaugeMetricFamily(
            "gossipbook_inbox_batches", "Batches of events that wait for the core", value=driver.inbox_batches
        )
        yield GaugeMetricFamily("gossipbook_turns_waiting", "Turns that wait for the disk", value=driver.turns_waiting)
        for word, text in _COUNTED.items():
            name = f"gossipbook_{word.replace(' ', '_')}"
            yield CounterMetricFamily(name, text, value=driver.counts[word])
        yield CounterMetricFamily("gossipbook_failed_dials", "Dials that led to no link", value=runtime.failed_dials)
        faults = sum(runtime.peer.refusals.of(Scope.FAULT).values())
        yield CounterMetricFamily("gossipbook_faults", "Faults of this program that it survived", value=faults)

    def _of_links(self) -> Iterator[Metric]:
        links = [*self._runtime.driver.links.values()]
        by_kind = GaugeMetricFamily("gossipbook_links", "Live links", labels=["role", "direction"])
        kinds = Counter((str(link.hello.role), "out" if link.outbound else "in") for link in links)
        for (role, direction), count in sorted(kinds.items()):
            by_kind.add_metric([role, direction], count)
        yield by_kind
        queued = [link.queued() for link in links]
        messages, size = sum(each for each, _ in queued), sum(each for _, each in queued)
        yield GaugeMetricFamily(
            "gossipbook_queued_messages", "Messages that wait for links to take them", value=messages
        )
        yield GaugeMetricFamily("gossipbook_queued_bytes", "Bytes of these", value=size)
        dropped = CounterMetricFamily("gossipbook_dropped", "Messages that links had no room for", labels=["lane"])
        for lane, count in sorted(sum((_dropped(link) for link in links), self._dropped.copy()).items()):
            dropped.add_metric([lane], count)
        yield dropped
        frames = CounterMetricFamily(
            "gossipbook_traffic", "Frames and bytes of all links", labels=["unit", "direction"]
        )
        for word, count in sorted(sum((_frames(link) for link in links), self._frames.copy()).items()):
            frames.add_metric(word.split(" "), count)
        yield frames

    def _of_refusals(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "gossipbook_refused", "What was refused, by scope and reason", labels=["scope", "reason"]
        )
        counts = {
            (scope.value, reason): count
            for scope in Scope
            for reason, count in self._runtime.peer.refusals.of(scope).items()
        }
        kept = dict(Counter(counts).most_common(REASONS_CAP))
        for (scope, reason), count in sorted(kept.items()):
            family.add_metric([scope, reason], count)
        others = sum(counts.values()) - sum(kept.values())
        if others:
            family.add_metric(["any", "other"], others)
        yield family

    def _of_pairs(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}

        def add(kind: type[Any], name: str, text: str, pair: str, value: float, **labels: str) -> None:
            if name not in families:
                families[name] = kind(f"gossipbook_pair_{name}", text, labels=["pair", *labels])
            families[name].add_metric([pair, *labels.values()], value)  # type: ignore[attr-defined]  # of either kind

        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        now_ms = system_now().wall_ms
        for pair in self._runtime.peer.pairs.values():
            symbol, replica = pair.symbol, pair.replica
            condition, absent = pair.state()
            term = replica.member.ballot.term
            leads = pair.seat is not None and pair.committee.leader(term) == pair.seat
            add(gauge, "height", "The last final block", symbol, replica.fin)
            add(gauge, "term", "The term", symbol, term)
            add(gauge, "leads", "1 if this peer leads", symbol, leads)
            add(gauge, "votes", "1 if this peer's seat votes", symbol, replica.voting)
            add(gauge, "absent_seats", "Seats of the committee that are absent", symbol, len(absent))
            for each in PairCondition:
                value = condition is each
                add(gauge, "condition", "1 for the condition that the pair is in", symbol, value, condition=each.value)
            age_s = max(now_ms - pair.certified.time_ms, 0) / 1_000 if pair.certified.time_ms else 0
            add(gauge, "block_age_seconds", "Since the last final block's time", symbol, age_s)
            add(gauge, "pending_ops", "Ops in the pool", symbol, len(pair.ops))
            add(gauge, "open_orders", "Orders that rest", symbol, read_standing(pair).open_orders)
            add(counter, "takeovers", "Times that a leader was replaced", symbol, replica.member.takeovers)
            add(counter, "certified_ops", "Ops in final blocks since the start", symbol, pair.ops_certified)
            add(counter, "certified_commands", "Commands in these", symbol, pair.commands_certified)
            add(counter, "fills", "Fills in these", symbol, pair.fills_certified)
        yield from families.values()


_COUNTED: Final = {
    "commits": "Transactions of the journal",
    "slow commits": "Of these, those that took longer than 250 ms",
    "records": "Records in these",
    "turns": "Turns of the core",
    "events": "Events in these",
    "signatures verified": "Signatures that were verified",
    "sync requests not served": "Requests for old blocks that there was no room for",
}


def _dropped(link: Link) -> Counter[str]:
    counts = link.counts.items()
    return Counter({word.removeprefix(LANES_DROPPED): n for word, n in counts if word.startswith(LANES_DROPPED)})


def _frames(link: Link) -> Counter[str]:
    words = ("frames in", "frames out", "bytes in", "bytes out")
    return Counter({word: link.counts[word] for word in words})
