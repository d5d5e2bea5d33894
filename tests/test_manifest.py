"""The manifest: what is wrong is named, with the mend; and what makes a network that network."""

from dataclasses import replace

import pytest
from consensus.kit import identity, network

from gossipbook.consensus.committee import Committee, seat_matchers
from gossipbook.errors import ManifestError
from gossipbook.ids import SIGNATURE_BYTES, pair_key, peer_id, xor_distance
from gossipbook.limits import SIGNATURE_BYTES as COUNTED_BYTES
from gossipbook.limits import Limits, Timing
from gossipbook.manifest import RULES_VERSION, Manifest, Matcher, Pair, Quorum

KEYS = [identity(f"matcher {i}").public_key.hex() for i in range(8)]

TEXT = f"""
name = "town"
committee_size = 4

[timing]
timeout_base_ms = 1500

[limits]
max_block_ops = 100

[[pair]]
symbol = "GOLD/USD"
tick_size = "0.05"

[[matcher]]
name = "a"
public_key = "{KEYS[0]}"
operator = "north"
addresses = ["10.0.0.1:7000"]

[[matcher]]
name = "b"
public_key = "{KEYS[1]}"

[[matcher]]
name = "c"
public_key = "{KEYS[2]}"

[[matcher]]
name = "d"
public_key = "{KEYS[3]}"
"""


def test_a_manifest_reads() -> None:
    manifest = Manifest.from_toml(TEXT)
    assert (manifest.name, manifest.quorum, manifest.symbols()) == ("town", Quorum(4, 1, 3), ["GOLD/USD"])
    assert manifest.timing.timeout_base_ms == 1500
    assert manifest.limits == Limits.of(RULES_VERSION, max_block_ops=100)
    assert [m.operator for m in manifest.matchers] == ["north", "b", "c", "d"]
    assert Manifest.from_dict(manifest.to_dict()) == manifest


ODD_SIZES = ("1_0", "٠.٠١", " 0.01", "1e-999999999", "1e999999", "1E-5000", "1E-2", "0.01\\n", "+1")
"""What Python takes for a number, and no other program has to."""


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("committee_sise = 4", "committee_size = 4", ["committee_size"]),
        ('nome = "town"', 'name = "town"', ["name: missing"]),
        ("timeout_base = 1500", "timeout_base_ms = 1500", ["timing", "'timeout_base'", "'timeout_base_ms'"]),
        ("max_blok_ops = 100", "max_block_ops = 100", ["limits", "'max_blok_ops'", "'max_block_ops'"]),
        ('ticksize = "0.05"', 'tick_size = "0.05"', ["pair", "'ticksize'", "'tick_size'"]),
        ("tick_size = 0.05", 'tick_size = "0.05"', ["pair.tick_size", "str"]),
        ('tick_size = "-1"', 'tick_size = "0.05"', ["tick_size", "positive"]),
        *((f'tick_size = "{size}"', 'tick_size = "0.05"', ["tick_size", "plain"]) for size in ODD_SIZES),
        ('tick_size = "NaN"', 'tick_size = "0.05"', ["tick_size", "positive"]),
        ('operater = "north"', 'operator = "north"', ["matcher", "'operater'", "'operator'"]),
        ('addresses = "10.0.0.1:7000"', 'addresses = ["10.0.0.1:7000"]', ["matcher.addresses", "list"]),
        ("addresses = [7000]", 'addresses = ["10.0.0.1:7000"]', ["matcher a", "host:port"]),
        (f'public_key = "{KEYS[1][:-1]}"', f'public_key = "{KEYS[1]}"', ["matcher b", "64 hex digits"]),
        (f'public_key = "{KEYS[0]}"', f'public_key = "{KEYS[1]}"', ["matcher key", "twice"]),
        ('name = "a"', 'name = "b"', ["matcher", "'a'", "twice"]),
        ('symbol = "GOLD USD"', 'symbol = "GOLD/USD"', ["symbol", "no spaces"]),
        ("max_block_ops = true", "max_block_ops = 100", ["limits.max_block_ops", "int"]),
        ("max_block_ops = 0", "max_block_ops = 100", ["max_block_ops", "1 to"]),
        ("timeout_base_ms = 999", "timeout_base_ms = 1500", ["timeout_base_ms", "1000"]),
        ("committee_size = 3", "committee_size = 4", ["committee_size", "byzantine", "4 to 7"]),
        ("committee_size = 5", "committee_size = 4", ["committee_size", "only 4"]),
        ("committee_size = 8", "committee_size = 4", ["committee_size", "4 to 7"]),
        ("committee_size =", "committee_size = 4", ["not TOML"]),
    ],
)
def test_errors_name_the_key_and_the_mend(wrong: str, right: str, says: list[str]) -> None:
    assert right in TEXT
    with pytest.raises(ManifestError) as caught:
        Manifest.from_toml(TEXT.replace(right, wrong, 1))
    for word in says:
        assert word in str(caught.value)


def test_an_unknown_key_at_the_top_names_the_nearest() -> None:
    with pytest.raises(ManifestError, match="did you mean 'wardens'"):
        Manifest.from_toml("warden = []\n" + TEXT)
    with pytest.raises(ManifestError, match="admission"):
        Manifest.from_toml('admission = "closed"\n' + TEXT)
    with pytest.raises(ManifestError, match="fault_model"):
        Manifest.from_toml('fault_model = "byzantin"\n' + TEXT)
    with pytest.raises(ManifestError, match="rules_version"):
        Manifest.from_toml("rules_version = 9\n" + TEXT)


@pytest.mark.parametrize(
    ("n", "model", "f", "q"),
    [
        (1, "crash", 0, 1),
        (2, "crash", 0, 2),
        (3, "crash", 1, 2),
        (4, "crash", 1, 3),
        (5, "crash", 2, 3),
        (6, "crash", 2, 4),
        (7, "crash", 3, 4),
        (4, "byzantine", 1, 3),
        (5, "byzantine", 1, 4),
        (6, "byzantine", 1, 4),
        (7, "byzantine", 2, 5),
    ],
)
def test_quorums(n: int, model: str, f: int, q: int) -> None:
    quorum = Quorum.of(n, model)
    assert quorum == Quorum(n, f, q)
    assert quorum.blocking == n - q + 1
    assert n - f >= q, "the others alone are a quorum"
    assert 2 * q - n > (f if model == "byzantine" else 0), "two quorums share an honest member"
    assert network(n, model)[0].quorum == quorum


def test_contradicting_numbers() -> None:
    manifest = network()[0]
    for limits in (
        Limits(max_commands_per_op=257),
        Limits(max_block_commands=255),
        Limits(max_block_bytes=16_384),
        Limits(max_block_bytes=70_000),
        Limits(max_block_ops=1_025),
    ):
        with pytest.raises(ManifestError):
            replace(manifest, limits=limits)
    with pytest.raises(ManifestError):
        replace(manifest, pairs=(Pair("X", min_qty_lots=5, max_qty_lots=4),))
    with pytest.raises(ManifestError):
        replace(manifest, pairs=())
    assert Timing(timeout_base_ms=10_000).timeout_cap_ms == 160_000
    assert Timing().timeout_cap_ms == 60_000


def test_evidence_of_the_largest_ops_fits_a_block() -> None:
    """Else an author who equivocates with large ops is never frozen, and every leader's choice stops at it."""
    manifest = network()[0]
    limits = Limits(max_op_bytes=40_000)
    try:
        allowed = replace(manifest, limits=limits).limits
    except ManifestError:
        return
    assert 2 * (allowed.max_op_bytes + 64) <= allowed.max_block_bytes


# -- identity of a network --------------------------------------------------------------------------------


def test_addresses_do_not_make_another_network() -> None:
    manifest = network()[0]
    moved = replace(manifest, matchers=tuple(replace(m, addresses=("10.9.9.9:1",)) for m in manifest.matchers))
    assert moved.chain_id == manifest.chain_id


def test_everything_else_does() -> None:
    manifest = network()[0]
    others = [
        replace(manifest, name="other"),
        replace(manifest, pairs=(Pair("OIL/USD"),)),
        replace(manifest, pairs=(replace(manifest.pairs[0], tick_size="0.5"),)),
        replace(manifest, matchers=manifest.matchers[::-1]),
        replace(manifest, wardens=(bytes(32),)),
        replace(manifest, admission=()),
        replace(manifest, admission=(bytes(32),)),
        replace(manifest, fault_model="crash"),
        replace(manifest, limits=Limits(author_window=7)),
        replace(manifest, timing=Timing(inclusion_age_ms=7)),
        replace(manifest, matchers=(replace(manifest.matchers[0], operator="x"), *manifest.matchers[1:])),
    ]
    ids = {m.chain_id for m in [manifest, *others]}
    assert len(ids) == len(others) + 1
    with pytest.raises(ManifestError, match="epoch"):
        _ = replace(manifest, epoch=1).chain_id
    assert replace(manifest, epoch=1).digest != manifest.digest


# -- committees -------------------------------------------------------------------------------------------


def wide(operators: list[str], size: int, model: str = "byzantine") -> Manifest:
    matchers = tuple(
        Matcher(f"m{i}", identity(f"wide {i}").public_key, operator) for i, operator in enumerate(operators)
    )
    pairs = tuple(Pair(f"P{i}") for i in range(12))
    return Manifest("wide", pairs, matchers, size, fault_model=model)


def test_seats_go_to_the_nearest_in_order() -> None:
    manifest = wide([str(i) for i in range(20)], 5)
    for symbol in manifest.symbols():
        key = pair_key(manifest.digest, symbol)
        near = sorted(manifest.matchers, key=lambda m: xor_distance(peer_id(m.public_key), key))
        assert seat_matchers(manifest, symbol) == tuple(near[:5])


def test_one_operator_holds_at_most_f_seats() -> None:
    for size, cap in ((4, 1), (7, 2)):
        manifest = wide(["big"] * 15 + [str(i) for i in range(6)], size)
        for symbol in manifest.symbols():
            seats = seat_matchers(manifest, symbol)
            assert len(seats) == size
            assert sum(m.operator == "big" for m in seats) <= cap
    with pytest.raises(ManifestError, match="other operators"):
        wide(["big"] * 10 + ["a", "b"], 4)


def test_many_pairs_have_many_leaders() -> None:
    manifest = wide([str(i) for i in range(20)], 4)
    leaders = {Committee.of(manifest, manifest.chain_id, s).seats[0].name for s in manifest.symbols()}
    assert len(leaders) > 5


def test_terms_go_round_the_seats() -> None:
    manifest = network()[0]
    committee = Committee.of(manifest, manifest.chain_id, manifest.symbols()[0])
    assert [committee.leader(t) for t in range(6)] == [0, 1, 2, 3, 0, 1]
    assert [committee.seat_of(m.public_key) for m in committee.seats] == [0, 1, 2, 3]
    assert committee.seat_of(bytes(32)) is None
    assert committee.peers(besides=2) == tuple(m.peer_id for i, m in enumerate(committee.seats) if i != 2)


def test_signed_bytes_differ_in_every_field() -> None:
    manifest = network(pairs=(Pair("A"), Pair("B")))[0]
    a = Committee.of(manifest, manifest.chain_id, "A")
    b = Committee.of(manifest, manifest.chain_id, "B")
    x, y = bytes(32), b"\1" * 32
    bodies = [
        a.vote_body(1, 2, 3, x),
        a.vote_body(2, 2, 3, x),
        a.vote_body(1, 3, 2, x),
        a.vote_body(1, 2, 3, y),
        b.vote_body(1, 2, 3, x),
        a.propose_body(2, 3, x),
        a.timeout_body(1, 2, x, None, x),
        a.timeout_body(1, 2, x, 0, x),
        a.timeout_body(1, 2, x, 1, x),
        a.timeout_body(2, 1, x, None, x),
        a.timeout_body(1, 2, y, None, x),
        b.timeout_body(1, 2, x, None, x),
    ]
    assert len(set(bodies)) == len(bodies)
    assert a.genesis != b.genesis


def test_rules_that_bound_work_have_limits_for_it_and_no_cap_of_triggers() -> None:
    old, new = (
        Manifest.from_toml(TEXT.replace("committee_size", f"rules_version = {n}\ncommittee_size")) for n in (2, 3)
    )
    assert {"max_block_work", "max_op_work"} - old.to_dict()["limits"].keys() == {"max_block_work", "max_op_work"}
    assert "max_triggers_per_block" not in new.to_dict()["limits"]
    assert (old.limits.max_open_orders_per_author, new.limits.max_open_orders_per_author) == (20_000, 1_024)
    with pytest.raises(ManifestError, match="max_op_work: needs rules_version 3"):
        replace(old, limits=replace(old.limits, max_op_work=9_000))
    with pytest.raises(ManifestError, match="max_triggers_per_block: is not in networks"):
        replace(new, limits=replace(new.limits, max_triggers_per_block=1))
    with pytest.raises(ManifestError, match="so that one op can cancel all"):
        replace(new, limits=replace(new.limits, max_open_orders_per_author=4_097))


def test_the_time_of_a_full_block_covers_its_work() -> None:
    manifest = Manifest.from_toml(TEXT.replace("committee_size", "rules_version = 3\ncommittee_size"))
    with pytest.raises(ManifestError, match="full_block_ms: a block with max_block_work"):
        replace(manifest, limits=replace(manifest.limits, max_block_work=20_000))
    slow = replace(manifest.timing, full_block_ms=4_000, timeout_base_ms=10_000)
    least = {"max_op_work": 4_096, "max_open_orders_per_author": 2_048, "max_commands_per_op": 256}
    most = replace(manifest.limits, max_block_work=65_536 - sum(least.values()), **least)
    replace(manifest, timing=slow, limits=most)
    with pytest.raises(ManifestError, match="max_block_work: with max_op_work"):
        replace(manifest, timing=slow, limits=replace(most, max_block_work=most.max_block_work + 1))


def test_authors_stay_for_long_enough_to_come_in() -> None:
    manifest = Manifest.from_toml(TEXT.replace("committee_size", "rules_version = 3\ncommittee_size"))
    for retention_ms, timing in (
        (10_000, {}),
        (40_000, {"clock_tolerance_ms": 10_000}),
        (12_000, {"timeout_base_ms": 3_000}),
    ):
        timed = replace(manifest.timing, **timing)
        replace(manifest, timing=timed, limits=replace(manifest.limits, author_retention_ms=retention_ms))
        with pytest.raises(ManifestError, match=f"author_retention_ms: at least {retention_ms}"):
            replace(manifest, timing=timed, limits=replace(manifest.limits, author_retention_ms=retention_ms - 1))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_block_commands": 511}, "max_block_commands: at least 512, so that nobody keeps a block too full"),
        ({"max_block_bytes": 49_343}, "max_block_bytes: at least 49344, so that"),
        ({"max_block_ops": 1}, "max_block_ops: at least 2, so that"),
        ({"max_op_bytes": 511}, "max_op_bytes: at least 512"),
        ({"max_op_work": 7, "max_open_orders_per_author": 7}, "max_op_work: at least 8"),
        ({"max_authors_per_pair": 32_769}, "max_authors_per_pair: at most 32768"),
    ],
)
def test_limits_that_a_network_could_not_live_with_are_refused(limits: dict[str, int], said: str) -> None:
    new, old = (
        Manifest.from_toml(TEXT.replace("committee_size", f"rules_version = {n}\ncommittee_size")) for n in (3, 2)
    )
    changed = replace(new.limits, **limits)
    with pytest.raises(ManifestError, match=said):
        replace(new, limits=changed)
    if "max_op_work" not in limits and "max_op_bytes" not in limits:
        replace(old, limits=replace(old.limits, **limits))


def test_the_limits_know_how_long_a_signature_is() -> None:
    assert COUNTED_BYTES == SIGNATURE_BYTES


def test_quantities_that_no_event_could_tell_and_lists_that_no_receipt_holds_are_refused() -> None:
    new = Manifest.from_toml(TEXT.replace("committee_size", "rules_version = 3\ncommittee_size"))
    most = (2**63 - 1) // new.limits.max_open_orders_per_pair
    replace(new, pairs=(replace(new.pairs[0], max_qty_lots=most),))
    with pytest.raises(ManifestError, match="max_qty_lots times max_open_orders_per_pair"):
        replace(new, pairs=(replace(new.pairs[0], max_qty_lots=most + 1),))
    keys = tuple(number.to_bytes(32, "big") for number in range(8_193))
    replace(new, wardens=keys[:256], admission=keys[:8_192])
    for more in ({"wardens": keys[:257]}, {"admission": keys}):
        with pytest.raises(ManifestError, match="wardens, admission: at most 256 and 8192"):
            replace(new, **more)
