"""Mesh, message cache, lazy pull and backoff, one by one, and their bounds."""

import random
from dataclasses import replace

import pytest

from gossipbook.effects import Now, Send
from gossipbook.gossip.backoff import BACKOFF_CAP, Backoff
from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.lazy import ANNOUNCERS_CAP, Promises
from gossipbook.gossip.mcache import MessageCache
from gossipbook.gossip.messages import IHAVE_IDS_CAP, Graft, IHave, IWant, Prune, Push, Subscribe
from gossipbook.gossip.router import Router
from gossipbook.ids import digest
from gossipbook.wire.codec import encode_message

T = "GOLD/USD"
CONFIG = GossipConfig()


def peer(i: int) -> bytes:
    return digest(b"peer", i.to_bytes(4, "big"))[:20]


def message(i: int) -> bytes:
    return digest(b"message", i.to_bytes(4, "big"))


def at(ms: int) -> Now:
    return Now(ms, ms)


def router(peers: int = 0, outbound: int = 0, config: GossipConfig = CONFIG, join: bool = True) -> Router:
    made = Router([T], config, random.Random(1))
    for i in range(peers):
        made.link_up(peer(i), i < outbound)
        if join:
            made.receive(peer(i), Subscribe((T,)), at(0))
    return made


def sent(effects: list, kind: type) -> list[tuple[bytes, object]]:
    return [(to, e.message) for e in effects if isinstance(e, Send) and isinstance(e.message, kind) for to in e.to]


# -- backoff ----------------------------------------------------------------------------------------------


def test_a_pause_is_never_shortened() -> None:
    backoff = Backoff()
    backoff.pause(T, peer(1), 1_000)
    backoff.pause(T, peer(1), 500)
    assert backoff.active(T, peer(1), 999)
    assert not backoff.active(T, peer(1), 1_000)
    assert not backoff.active("other", peer(1), 0)


def test_pauses_are_bounded() -> None:
    backoff = Backoff()
    for i in range(BACKOFF_CAP + 10):
        backoff.pause(T, peer(i), 10**9)
    assert sum(backoff.active(T, peer(i), 0) for i in range(BACKOFF_CAP + 10)) == BACKOFF_CAP


# -- mesh -------------------------------------------------------------------------------------------------


def test_a_subscriber_is_grafted_at_once_while_the_mesh_is_low() -> None:
    made = router()
    made.link_up(peer(0), True)
    effects = made.receive(peer(0), Subscribe((T,)), at(0))
    assert sent(effects, Graft) == [(peer(0), Graft(T))]
    assert peer(0) in made.mesh.members(T)


def test_the_mesh_stays_at_its_degree() -> None:
    made = router(40)
    made.heartbeat(at(1_000))
    assert CONFIG.degree_low <= len(made.mesh.members(T)) <= CONFIG.degree_high
    for i in range(40):
        made.receive(peer(i), Graft(T), at(2_000))
    assert len(made.mesh.members(T)) <= CONFIG.degree_high


def test_a_full_mesh_prunes_whom_it_did_not_dial() -> None:
    made = router(13, join=False)
    for i in range(12):
        assert made.receive(peer(i), Graft(T), at(0)) == []
    assert sent(made.receive(peer(12), Graft(T), at(0)), Prune) == [(peer(12), Prune(T, CONFIG.prune_backoff_s))]


def test_pruning_keeps_those_that_we_dialled() -> None:
    made = router(30, outbound=2, join=False)
    for i in range(12):
        made.receive(peer(i + 10), Graft(T), at(0))
    for i in range(2):
        made.receive(peer(i), Graft(T), at(0))
    assert len(made.mesh.members(T)) == 14
    effects = made.heartbeat(at(1_000))
    assert len(sent(effects, Prune)) == 14 - CONFIG.degree
    assert len(made.mesh.members(T)) == CONFIG.degree
    assert {peer(0), peer(1)} <= set(made.mesh.members(T))


def test_outbound_links_are_grafted_even_into_a_mesh_that_is_large_enough() -> None:
    made = router(8, join=False)
    for i in range(8):
        made.receive(peer(i), Graft(T), at(0))
    made.link_up(peer(20), True)
    made.receive(peer(20), Subscribe((T,)), at(0))
    assert sent(made.heartbeat(at(1_000)), Graft) == [(peer(20), Graft(T))]


def test_a_pruned_peer_is_not_grafted_before_its_pause_is_over() -> None:
    made = router(1)
    made.receive(peer(0), Prune(T, 60), at(0))
    assert sent(made.heartbeat(at(59_999)), Graft) == []
    assert sent(made.heartbeat(at(60_000)), Graft) == [(peer(0), Graft(T))]


def test_a_remote_cannot_impose_an_endless_pause() -> None:
    made = router(1)
    made.receive(peer(0), Prune(T, 2**32 - 1), at(0))
    later = 1_000 * CONFIG.backoff_cap_s
    assert sent(made.heartbeat(at(later - 1)), Graft) == []
    assert sent(made.heartbeat(at(later)), Graft) == [(peer(0), Graft(T))]


def test_a_graft_during_the_pause_is_refused_and_counted() -> None:
    made = router(1)
    made.receive(peer(0), Prune(T, 60), at(0))
    effects = made.receive(peer(0), Graft(T), at(1_000))
    assert sent(effects, Prune) == [(peer(0), Prune(T, CONFIG.prune_backoff_s))]
    assert made.mesh.graft_floods == 1
    for _ in range(100):
        assert len(made.receive(peer(0), Graft(T), at(1_000))) == 1
    assert peer(0) not in made.mesh.members(T)


def test_a_graft_for_a_topic_that_is_not_ours() -> None:
    assert sent(router(1).receive(peer(0), Graft("other"), at(0)), Prune)


def test_a_peer_that_is_gone_is_in_no_mesh() -> None:
    made = router(3)
    made.link_down(peer(1))
    assert peer(1) not in made.mesh.members(T)
    assert peer(1) not in made.followers(T)


def test_a_peer_without_a_link_does_not_get_into_the_mesh() -> None:
    """Beyond the cap of peers a link is not taken; its GRAFT may not make it a mesh member either."""
    made = router(2, config=replace(CONFIG, peers_cap=2))
    made.link_up(peer(7), False)
    made.receive(peer(7), Graft(T), at(0))
    assert peer(7) not in made.mesh.members(T)


# -- message cache ----------------------------------------------------------------------------------------


def test_windows_pass() -> None:
    cache = MessageCache(CONFIG)
    cache.put(T, message(1), b"x")
    assert cache.recent_ids(T) == [message(1)]
    for _ in range(CONFIG.history_gossip):
        cache.shift()
    assert cache.recent_ids(T) == []
    assert cache.get(message(1), peer(0)) == (T, b"x")
    for _ in range(CONFIG.history_windows - CONFIG.history_gossip):
        cache.shift()
    assert cache.get(message(1), peer(0)) is None
    assert cache.bytes == 0


def test_a_message_is_sent_again_to_one_peer_only_so_often() -> None:
    cache = MessageCache(CONFIG)
    cache.put(T, message(1), b"x")
    answers = [cache.get(message(1), peer(0)) for _ in range(10)]
    assert sum(a is not None for a in answers) == CONFIG.iwant_retransmit_cap
    assert cache.get(message(1), peer(1)) is not None


def test_the_same_message_counts_once() -> None:
    cache = MessageCache(CONFIG)
    cache.put(T, message(1), b"xx")
    cache.put(T, message(1), b"xx")
    assert cache.bytes == 2


@pytest.mark.parametrize("per_window", [1, 5, 100])
def test_the_cache_keeps_to_its_bytes(per_window: int) -> None:
    config = replace(CONFIG, history_bytes_cap=1_000)
    cache = MessageCache(config)
    for i in range(100):
        cache.put(T, message(i), bytes(100))
        if i % per_window == per_window - 1:
            cache.shift()
        assert cache.bytes <= 1_100


# -- lazy pull --------------------------------------------------------------------------------------------


def test_what_is_announced_is_asked_for_once() -> None:
    made = router(2, join=False)
    asked = sent(made.receive(peer(0), IHave(T, (message(1), message(2))), at(0)), IWant)
    assert asked == [(peer(0), IWant((message(1), message(2))))]
    assert made.receive(peer(1), IHave(T, (message(1),)), at(0)) == []


def test_a_broken_promise_goes_to_the_next_announcer() -> None:
    made = router(3, join=False)
    for i in range(3):
        made.receive(peer(i), IHave(T, (message(1),)), at(0))
    assert sent(made.heartbeat(at(CONFIG.promise_ms - 1)), IWant) == []
    assert sent(made.heartbeat(at(CONFIG.promise_ms)), IWant) == [(peer(1), IWant((message(1),)))]
    made.accepted(peer(1), message(1), Push(T, b"x"))
    assert sent(made.heartbeat(at(5_000)), IWant) == []


def test_what_came_is_not_asked_for() -> None:
    made = router(1, join=False)
    made.accepted(None, message(1), Push(T, b"x"))
    assert made.receive(peer(0), IHave(T, (message(1),)), at(0)) == []
    made.have(message(2))
    assert made.receive(peer(0), IHave(T, (message(2),)), at(0)) == []


def test_announcements_are_bounded() -> None:
    made = router(1, join=False)
    for i in range(CONFIG.ihave_per_heartbeat_cap):
        assert made.receive(peer(0), IHave(T, (message(i),)), at(0))
    assert made.receive(peer(0), IHave(T, (message(99),)), at(0)) == []
    assert made.counts["ihaves ignored"] == 1
    made.heartbeat(at(1_000))
    assert made.receive(peer(0), IHave(T, (message(99),)), at(1_000))
    many = tuple(message(i) for i in range(1_000, 1_000 + IHAVE_IDS_CAP + 50))
    ((_, wanted),) = sent(made.receive(peer(0), IHave(T, many), at(1_000)), IWant)
    assert len(wanted.ids) == IHAVE_IDS_CAP  # type: ignore[attr-defined]
    assert made.receive(peer(0), IHave("other", (message(7),)), at(1_000)) == []


def test_promises_are_bounded() -> None:
    promises = Promises(replace(CONFIG, promises_cap=10))
    for i in range(50):
        promises.announce(peer(0), message(i), 0)
    for i in range(ANNOUNCERS_CAP + 3):
        promises.announce(peer(i + 1), message(49), 0)
    broken = 0
    while promises.overdue(10**9 + broken * 10**6, {peer(i) for i in range(9)}):
        broken += 1
        assert broken <= ANNOUNCERS_CAP
    assert broken == ANNOUNCERS_CAP


def test_broken_promises_of_those_who_left_are_not_kept() -> None:
    """Keys are cheap: whoever announces, leaves and comes back as another may not grow a table (I8)."""
    made = router()
    for i in range(50):
        made.link_up(peer(i), False)
        made.receive(peer(i), IHave(T, (message(i),)), at(i))
        made.link_down(peer(i))
    made.heartbeat(at(10_000))
    assert len(made._promises.broken) == 0


def test_one_ask_fits_one_message() -> None:
    """Broken promises of many heartbeats at once may not make a message that no link carries."""
    made = router(2, join=False)
    for k in range(4):
        many = tuple(message(i) for i in range(k * 5_000, (k + 1) * 5_000))
        for i in range(2):
            made.receive(peer(i), IHave(T, many), at(0))
    for effect in made.heartbeat(at(1_000)):
        assert isinstance(effect, Send)
        encode_message(effect.message)


def test_recent_messages_are_announced_outside_the_mesh_only() -> None:
    made = router(30)
    made.accepted(None, message(1), Push(T, b"x"))
    told = sent(made.heartbeat(at(1_000)), IHave)
    assert len(told) == CONFIG.lazy_degree
    assert not {to for to, _ in told} & set(made.mesh.members(T))


# -- router -----------------------------------------------------------------------------------------------


def test_a_message_goes_to_the_mesh_but_not_back() -> None:
    made = router(5)
    to = {p for p, _ in sent(made.accepted(peer(1), message(1), Push(T, b"x"), (peer(2),)), Push)}
    assert to == set(made.mesh.members(T)) - {peer(1), peer(2)}
    assert made.seen(message(1))
    assert not made.seen(message(2))


def test_a_heartbeat_comes_at_about_its_time() -> None:
    made = router()
    times = {made.next_heartbeat_ms() for _ in range(50)}
    assert len(times) > 5
    assert all(abs(t - CONFIG.heartbeat_ms) <= CONFIG.heartbeat_jitter_ms for t in times)


def test_requests_for_what_is_not_here() -> None:
    made = router(1)
    assert made.receive(peer(0), IWant((message(1),)), at(0)) == []


@pytest.mark.parametrize(
    "wrong",
    [{"degree": 13}, {"degree_low": 0}, {"outbound_least": 6}, {"history_gossip": 6}, {"heartbeat_jitter_ms": 1_000}],
)
def test_configurations_that_contradict_themselves(wrong: dict) -> None:
    with pytest.raises(AssertionError):
        replace(CONFIG, **wrong)
