"""Pruned trees, manifests out of their canonical form, and what a verifier has to import."""

import random
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipbook import cbor
from gossipbook.crdt.merkle import merkle_root
from gossipbook.errors import VerifyError
from gossipbook.manifest import Pair
from gossipbook.receipt.network import read_manifest
from gossipbook.receipt.tree import Tree, leaf, recompute

from .kit import MANIFEST, identity, make_manifest


@given(st.integers(1, 70), st.integers(0, 2**70))
def test_what_is_pruned_is_recomputed(width: int, chosen: int) -> None:
    events = [(1, at) for at in range(width)]
    shown = [at for at in range(width) if chosen >> at & 1] or [width - 1]
    leaves = [leaf(event) for event in events]
    siblings = Tree(leaves).prune(shown)
    assert recompute(width, {at: leaves[at] for at in shown}, siblings) == merkle_root(events)
    with pytest.raises(VerifyError, match="too long"):
        recompute(width, {at: leaves[at] for at in shown}, [*siblings, leaves[0]])
    if siblings:
        with pytest.raises(VerifyError, match="too short"):
            recompute(width, {at: leaves[at] for at in shown}, siblings[:-1])


def test_a_leaf_elsewhere_gives_another_root() -> None:
    rng = random.Random(1)
    for width in range(2, 40):
        leaves = [leaf((1, at)) for at in range(width)]
        at = rng.randrange(width)
        siblings = Tree(leaves).prune([at])
        for other in set(range(width)) - {at}:
            if len(Tree(leaves).prune([other])) == len(siblings):
                assert recompute(width, {other: leaves[at]}, siblings) != merkle_root([(1, i) for i in range(width)])


@pytest.mark.parametrize(
    "manifest",
    [
        MANIFEST,
        make_manifest("more", matchers=6, wardens=(identity("w").public_key,), admission=(identity("a").public_key,)),
        replace(MANIFEST, pairs=(Pair("A/B", "0.5", "10", 2, 3, 4, 5),)),
    ],
    ids=lambda manifest: str(manifest.name),
)
def test_a_manifest_comes_back_out_of_its_canonical_form(manifest) -> None:  # type: ignore[no-untyped-def]
    assert read_manifest(manifest.canonical()) == manifest
    assert read_manifest(manifest.canonical()).chain_id == manifest.chain_id


def test_manifests_that_are_not_sound() -> None:
    parts = cbor.decode(MANIFEST.canonical())
    cases = {
        "expected an array of 11": parts[:-1],
        "epoch 1": [parts[0], 1, *parts[2:]],
        "symbol is not of its type": [*parts[:3], [[7, *parts[3][0][1:]]], *parts[4:]],
        "fields are missing": [*parts[:3], [[]], *parts[4:]],
        "canonical form": [*parts[:3], [["BTC-USD"]], *parts[4:]],
        "a name, a key and an operator": [*parts[:4], [["m"]], *parts[5:]],
        "tick_size is a plain positive decimal": [*parts[:3], [["BTC-USD", "1e999999"]], *parts[4:]],
        "byzantine needs 4": [*parts[:7], 3, *parts[8:]],
    }
    for reason, changed in cases.items():
        with pytest.raises(VerifyError, match=reason):
            read_manifest(cbor.encode(changed))


def test_verifying_needs_neither_network_nor_engine() -> None:
    code = """
import sys
import gossipbook.receipt.verifying
print([m for m in sys.modules if m in ("trio", "sqlite3", "asyncio", "socket", "ssl", "sortedcontainers")
       or m.split(".")[:2] in (["gossipbook", p] for p in ("net", "peer", "storage", "cli", "dht", "wire", "gossip"))
       or m == "gossipbook.matching.engine"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
