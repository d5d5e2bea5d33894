"""The router's parameters. Defaults that are not marked otherwise are GossipSub v1.1's."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GossipConfig:
    """Frozen; its relations are checked once, here."""

    degree: int = 8
    degree_low: int = 6
    degree_high: int = 12
    outbound_least: int = 2
    lazy_degree: int = 6
    heartbeat_ms: int = 1_000
    heartbeat_jitter_ms: int = 100  # a guess: enough to keep peers that started together apart
    history_windows: int = 5
    history_gossip: int = 3
    history_bytes_cap: int = 32 * 2**20
    prune_backoff_s: int = 60
    backoff_cap_s: int = 600  # what a remote may impose at most
    graft_flood_ms: int = 10_000
    ihave_per_heartbeat_cap: int = 20  # of a topic; GossipSub has 10 of all, and announces once a heartbeat
    iwant_retransmit_cap: int = 3
    promise_ms: int = 150  # a guess: two round trips of a wide network; then the next announcer is asked
    promises_cap: int = 20_000
    announcers: int = 2  # choked peers of each source who announce; a lie needs them all, and the parent
    announce_ms: int = 100  # a guess: how often; every id apart would cost as much as a duplicate
    announced_wait_ms: int = 60  # a guess: how long what was announced may still come from its parent
    sources_cap: int = 16_384  # of all topics, of which is remembered from whom their messages come
    choked_cap: int = 8_192  # sources that one peer may choke
    seen_cap: int = 131_072
    peers_cap: int = 1_024

    def __post_init__(self) -> None:
        assert 0 < self.degree_low <= self.degree <= self.degree_high
        assert self.outbound_least < self.degree_low
        assert self.outbound_least * 2 <= self.degree
        assert 0 < self.history_gossip <= self.history_windows
        assert 0 <= self.heartbeat_jitter_ms < self.heartbeat_ms
