"""Records and their table: what is refused, and that the newest wins whatever the order of arrival."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipbook import cbor
from gossipbook.dht import (
    ProviderRecord,
    ProviderTable,
    RecordError,
    Stored,
    TableLimits,
    open_record,
    sign_record,
)
from gossipbook.dht.records import EXPIRY_CAP_MS, EXPIRY_MS, RECORD_BYTES_CAP
from gossipbook.dht.table import BYTES_HEAD
from gossipbook.errors import ConfigError, DecodeError
from gossipbook.identity import DOMAIN_RECORD, DOMAIN_VOTE, Verifier

from .support import CHAIN, KEY, identity

NOW = 1_700_000_000_000
ME = identity(1)
FULL = ProviderRecord(
    key=KEY,
    public_key=ME.public_key,
    addresses=("ws://10.0.0.1:4000", "wss://peer.example:443", "ws://[::1]:4001"),
    roles=("matcher", "gateway"),
    sequence=NOW,
    expires_ms=NOW + EXPIRY_MS,
    heads=(("BTC-USD", 12), ("ETH-USD", 0)),
    load=7,
)
GOLDEN = "21cf93e14287137b"

addresses = st.sampled_from(["ws://10.0.0.1:1", "wss://a.example:65535", "ws://[fe80::1]:9", "ws://localhost:4000"])
records = st.builds(
    ProviderRecord,
    key=st.just(KEY),
    public_key=st.just(ME.public_key),
    addresses=st.lists(addresses, max_size=4).map(tuple),
    roles=st.lists(st.sampled_from(["matcher", "gateway", "x9"]), max_size=4).map(tuple),
    sequence=st.just(NOW),
    expires_ms=st.integers(NOW + 1, NOW + EXPIRY_CAP_MS),
    heads=st.dictionaries(st.sampled_from(["A", "BTC-USD", "X" * 32]), st.integers(0, 2**63 - 1)).map(
        lambda heads: tuple(heads.items())
    ),
    load=st.integers(0, 2**63 - 1),
    withdrawn=st.booleans(),
)


def refusal(raw, *, chain=CHAIN, key=KEY):
    with pytest.raises(RecordError) as caught:
        open_record(raw, chain, key)
    return caught.value.reason


@given(records)
def test_open_gives_back_what_was_signed(record):
    raw = sign_record(ME, CHAIN, record)
    assert len(raw) <= RECORD_BYTES_CAP
    assert open_record(raw, CHAIN, KEY) == record


def test_encoding_is_pinned():
    assert hashlib.sha256(sign_record(ME, CHAIN, FULL)).hexdigest()[:16] == GOLDEN


@given(st.data())
def test_any_changed_byte_is_refused(data):
    raw = bytearray(sign_record(ME, CHAIN, FULL))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    assert refusal(bytes(raw))


@given(st.binary(max_size=RECORD_BYTES_CAP + 2))
def test_noise_gives_nothing_but_a_decode_error(raw):
    with pytest.raises(DecodeError):
        open_record(raw, CHAIN, KEY)


def test_a_record_is_good_for_one_network_one_key_and_a_short_time():
    raw = sign_record(ME, CHAIN, FULL)
    assert refusal(raw, chain=bytes(32)) == "signature"
    assert refusal(raw, key=bytes(20)) == "key"
    assert refusal(raw + b"\0") == "format"
    assert refusal(raw[:-1]) == "format"
    assert refusal(bytes(RECORD_BYTES_CAP + 1)) == "size"
    assert open_record(raw, CHAIN, KEY) == FULL


@pytest.mark.parametrize("clock_ms", [0, 1, NOW, 2**62])
def test_a_record_lasts_for_so_long_whatever_its_signers_clock_says(clock_ms):
    latest = replace(FULL, sequence=clock_ms, expires_ms=clock_ms + EXPIRY_CAP_MS)
    assert open_record(sign_record(ME, CHAIN, latest), CHAIN, KEY) == latest
    assert latest.lasts_ms == EXPIRY_CAP_MS
    assert refusal(sign_record(ME, CHAIN, replace(latest, expires_ms=latest.expires_ms + 1))) == "expiry"
    assert refusal(sign_record(ME, CHAIN, replace(latest, expires_ms=clock_ms))) == "expiry"


def test_a_signature_of_another_kind_or_signer_is_refused():
    body = cbor.decode_array(sign_record(ME, CHAIN, FULL), 2)[0]
    assert refusal(cbor.encode([body, ME.sign(DOMAIN_VOTE, CHAIN, body)])) == "signature"
    assert refusal(cbor.encode([body, identity(2).sign(DOMAIN_RECORD, CHAIN, body)])) == "signature"
    assert open_record(cbor.encode([body, ME.sign(DOMAIN_RECORD, CHAIN, body)]), CHAIN, KEY, Verifier()) == FULL


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, 2),
        (0, True),
        (1, b"short"),
        (2, b"short"),
        (3, ["http://10.0.0.1:1"]),
        (3, ["ws://10.0.0.1:65536"]),
        (3, ["ws://10.0.0.1:0"]),
        (3, ["ws://10.0.0.1:1/path"]),
        (3, ["ws://10.0.0.1:1\n"]),
        (3, ["ws://" + "a" * 128 + ":1"]),
        (3, ["ws://user@host:1"]),
        (3, ["ws://a:1"] * 5),
        (4, ["Matcher"]),
        (4, ["x" * 17]),
        (4, ["a"] * 5),
        (5, -1),
        (5, True),
        (6, "soon"),
        (7, [["A", 1], ["A", 2]]),
        (7, [["", 1]]),
        (7, [["ä", 1]]),
        (7, [["A", -1]]),
        (7, [["A"]]),
        (7, [[str(i), 1] for i in range(17)]),
        (8, 2**63),
        (9, 1),
    ],
)
def test_a_field_out_of_its_range_is_refused_although_signed(field, value):
    body = cbor.decode(cbor.decode_array(sign_record(ME, CHAIN, FULL), 2)[0])
    body[field] = value
    encoded = cbor.encode(body)
    assert refusal(cbor.encode([encoded, ME.sign(DOMAIN_RECORD, CHAIN, encoded)])) == "format"


def test_the_signer_is_told_what_is_wrong_with_its_own_record():
    with pytest.raises(ConfigError, match="address"):
        sign_record(ME, CHAIN, replace(FULL, addresses=("10.0.0.1:4000",)))
    with pytest.raises(ConfigError, match="fewer or shorter"):
        sign_record(ME, CHAIN, replace(FULL, heads=tuple((f"{i:032}", 2**62) for i in range(16))))
    with pytest.raises(ConfigError, match="signer"):
        sign_record(identity(2), CHAIN, FULL)


# The table. Its records need no signature here: it is given only verified ones.


T0 = 1_000.0  # seconds of the table's clock


def entry(signer, sequence, *, key=KEY, lasts_s=EXPIRY_MS / 1_000, withdrawn=False, tie=0):
    expires = sequence + round(1_000 * lasts_s)
    made = ProviderRecord(key, bytes([signer]) * 32, sequence=sequence, expires_ms=expires, withdrawn=withdrawn)
    return made, b"%d/%d/%d/%d/%d" % (signer, sequence, expires, withdrawn, tie)


def visible(table, now=T0, key=KEY):
    return {(r.public_key, raw) for r, raw in table.records(key, now)}


puts = st.lists(
    st.builds(
        entry,
        st.integers(1, 4),
        st.integers(1, 3),
        key=st.sampled_from([KEY, bytes(20)]),
        lasts_s=st.integers(1, 5),
        withdrawn=st.booleans(),
        tie=st.integers(0, 1),
    ),
    max_size=20,
)


@given(puts, st.randoms(use_true_random=False), st.integers(0, 6).map(lambda s: T0 + s))
def test_the_newest_of_each_signer_whatever_the_order(items, random, later):
    table, shuffled = ProviderTable(), ProviderTable()
    for record, raw in items:
        table.put(record, raw, T0)
    again = items + items[:3]
    random.shuffle(again)
    for record, raw in again:
        shuffled.put(record, raw, T0)
    newest = {}
    for record, raw in items:
        place = (record.key, record.public_key)
        newest[place] = max(newest.get(place, (0, b"", 0)), (record.sequence, raw, T0 + record.lasts_ms / 1_000))
    for key in (KEY, bytes(20)):
        expected = {(who, raw) for (k, who), (_, raw, end) in newest.items() if k == key and end > later}
        assert visible(table, later, key) == visible(shuffled, later, key) == expected


def test_a_withdrawn_record_cannot_be_played_back_until_it_has_expired():
    old = entry(1, 1, lasts_s=100)
    table = ProviderTable()
    assert table.put(*old, T0) is Stored.NEW
    assert table.put(*entry(1, 2, lasts_s=10, withdrawn=True), T0) is Stored.NEW
    for now in (T0, T0 + 10, T0 + 99):
        assert table.put(*old, now) is Stored.STALE
        assert old[1] not in {raw for _, raw in table.records(KEY, now)}
    assert table.purge(T0 + 99) == 0
    assert table.purge(T0 + 100) == 1
    assert len(table) == 0
    assert list(table.keys()) == []


def test_the_same_record_again_is_no_refusal():
    table = ProviderTable()
    assert table.put(*entry(1, 1), T0).taken
    assert table.put(*entry(1, 1), T0) is Stored.DUPLICATE
    assert Stored.DUPLICATE.taken
    assert not Stored.STALE.taken


def test_strangers_are_capped_for_a_key_and_a_node_and_never_crowd_out_a_matcher():
    matchers = [bytes([n]) * 32 for n in (201, 202)]
    table = ProviderTable(TableLimits(strangers_per_key=3, stranger_records=4, matcher_records=64), matchers=matchers)
    outcomes = [table.put(*entry(n, 1), T0) for n in range(1, 6)]
    assert outcomes == [Stored.NEW] * 3 + [Stored.KEY_FULL] * 2
    assert table.put(*entry(1, 1, key=bytes(20)), T0) is Stored.NEW
    assert table.put(*entry(2, 1, key=bytes(20)), T0) is Stored.NODE_FULL
    assert table.put(*entry(1, 2), T0) is Stored.NEW  # A renewal needs no new room.
    assert all(table.put(*entry(n, 1), T0) is Stored.NEW for n in (201, 202))
    assert [r.public_key for r, _ in table.records(KEY, T0)][:2] == matchers
    assert table.put(*entry(9, 1, lasts_s=60), T0 + EXPIRY_MS / 1_000) is Stored.NEW  # Expiry made room.


def test_one_matcher_cannot_take_anothers_room():
    matchers = [bytes([n]) * 32 for n in (201, 202)]
    table = ProviderTable(TableLimits(matcher_records=40), matchers=matchers)
    keys = [bytes([n]) * 20 for n in range(30)]
    greedy = [table.put(*entry(201, 1, key=key), T0) for key in keys]
    assert greedy.count(Stored.NEW) == 20
    assert greedy[-1] is Stored.SIGNER_FULL
    assert [table.put(*entry(202, 1, key=key), T0) for key in keys[:20]] == [Stored.NEW] * 20


def test_admission_can_be_closed_to_strangers():
    friend, matcher = bytes([7]) * 32, bytes([201]) * 32
    table = ProviderTable(matchers=[matcher], allowed=lambda public_key: public_key == friend)
    assert table.put(*entry(8, 1), T0) is Stored.NOT_ALLOWED
    assert table.put(*entry(7, 1), T0) is Stored.NEW
    assert table.put(*entry(201, 1), T0) is Stored.NEW


@given(st.lists(st.integers(1, RECORD_BYTES_CAP), max_size=30), st.integers(RECORD_BYTES_CAP + BYTES_HEAD, 1200))
def test_pages_hold_every_record_once_and_keep_to_their_room(sizes, room):
    table = ProviderTable(matchers=[bytes([5]) * 32])
    raws = [bytes([n]) * size for n, size in enumerate(sizes)]
    for number, raw in enumerate(raws):
        table.put(entry(number, 1)[0], raw, T0)
    read, cursor = [], b""
    while True:
        page, cursor = table.page(KEY, cursor, room, T0)
        assert sum(len(raw) + BYTES_HEAD for raw in page) <= room
        read += page
        if not cursor:
            break
    assert sorted(read) == sorted(raws)


def test_a_reader_misses_nothing_when_records_go_between_two_pages():
    table = ProviderTable()
    for number in range(1, 7):
        lasts_s = 1 if number in (1, 2) else 30
        table.put(entry(number, 1, lasts_s=lasts_s)[0], bytes([number]) * 400, T0)
    first, cursor = table.page(KEY, b"", 900, T0)
    assert [raw[0] for raw in first] == [1, 2]
    table.purge(T0 + 1)
    second, _ = table.page(KEY, cursor, 900, T0 + 1)
    assert [raw[0] for raw in second] == [3, 4]
