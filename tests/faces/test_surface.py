"""The three faces have the same names, parameters and types, and say what each is for."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest

import gossipbook
import gossipbook.aio
import gossipbook.sync
from gossipbook import names

OWN = {
    *("BookFeed", "Client", "ClientPair", "EmbeddedPair", "EmbeddedPeer", "PlacedOrder", "Submission"),
    *("open_client", "open_peer"),
}
CLASSES = sorted(name for name in OWN if name[0].isupper())
INNER = {
    "Client": {"link_up", "link_down", "release", "use", "block_reader"},
    "ClientPair": set(),
    "EmbeddedPair": set(),
    "EmbeddedPeer": {"release"},
    "PlacedOrder": set(),
    "BookFeed": {"take", "resume", "end"},
    "Submission": {"reach", "certify", "refuse", "close", "take_back", "on_prepared_wanted"},
}
"""What the parts of the trio face have for one another."""
FACES = [gossipbook.aio, gossipbook.sync]


def members(face: Any, name: str) -> dict[str, Any]:
    """The public members of a class, and what it iterates with."""
    found = {}
    for member, value in inspect.getmembers(getattr(face, name)):
        plain = member.replace("__a", "__") if member in ("__aiter__", "__anext__") else member
        if (not member.startswith("_") or plain in ("__iter__", "__next__")) and member not in INNER[name]:
            found[plain] = value
    return found


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


def returned(function: Any) -> Any:
    return inspect.signature(function).return_annotation


@pytest.mark.parametrize("face", FACES)
def test_the_names_are_the_same(face: Any) -> None:
    assert set(face.__all__) == set(gossipbook.__all__) - {"aio", "sync"}
    assert set(face.__all__) - set(names.__all__) == OWN
    for name in names.__all__:
        assert getattr(face, name) is getattr(gossipbook, name), name
    for name in OWN:
        assert getattr(face, name) is not getattr(gossipbook, name), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = face.nothing


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", CLASSES)
def test_each_class_has_the_members_of_the_trio_face(face: Any, name: str) -> None:
    ours, theirs = members(face, name), members(gossipbook, name)
    assert set(theirs) <= set(ours)
    attributes = {
        "BookFeed": {"spec", "resyncs"},
        "Client": {"manifest", "refused"},
        "Submission": {"op", "submitted_s", "times_s", "height", "level", "taken_back", "trouble", "outcome"},
    }
    of_instances = attributes.get(name, {"symbol", "spec"} if name.endswith("Pair") else set())
    assert set(ours) - set(theirs) == of_instances - set(theirs)
    for member, value in theirs.items():
        if inspect.isfunction(value):
            assert parameters(ours[member]) == parameters(value), member
        else:
            assert type(ours[member]) is type(value), member


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_awaited_under_trio_is_awaited_under_asyncio_and_waits_in_plain_programs(name: str) -> None:
    trio_face, aio, sync = (members(face, name) for face in (gossipbook, *FACES))
    for member, value in trio_face.items():
        if not inspect.isfunction(value):
            continue
        waits = inspect.iscoroutinefunction(value)
        assert inspect.iscoroutinefunction(aio[member]) == waits, member
        assert not inspect.iscoroutinefunction(sync[member]), member
        assert inspect.isasyncgenfunction(aio[member]) == inspect.isasyncgenfunction(value), member
        assert inspect.isgeneratorfunction(sync[member]) == inspect.isasyncgenfunction(value), member


@pytest.mark.parametrize("name", ["open_client", "open_peer"])
def test_the_openers_have_the_parameters_of_the_trio_face(name: str) -> None:
    opened = {"open_client": "Client", "open_peer": "EmbeddedPeer"}[name]
    for face, manager in zip(FACES, (AbstractAsyncContextManager, AbstractContextManager), strict=True):
        opener = getattr(face, name)
        assert parameters(opener) == parameters(getattr(gossipbook, name))
        assert returned(opener) == manager[getattr(face, opened)]


def test_signatures_say_what_the_face_returns() -> None:
    block = gossipbook.CertifiedBlock
    assert returned(gossipbook.Client.blocks) == AsyncIterator[block]
    assert returned(gossipbook.aio.Client.blocks) == AsyncGenerator[block, None]
    assert returned(gossipbook.sync.Client.blocks) == Iterator[block]
    for face in FACES:
        assert returned(face.ClientPair.cancel) is face.Submission
        assert returned(face.Client.pair) is face.ClientPair
        assert returned(face.Client.receipt) is bytes


@pytest.mark.parametrize("face", [gossipbook, *FACES])
def test_everything_public_is_documented(face: Any) -> None:
    bare = [name for name in OWN if not inspect.getdoc(getattr(face, name))]
    for name in CLASSES:
        told = members(face, name).items()
        bare += [
            f"{name}.{member}" for member, value in told if callable(value) and not value.__doc__ and "__" not in member
        ]
        bare += [f"{name}.{member}" for member, value in told if isinstance(value, property) and not value.__doc__]
    assert bare == []


IMPORTS = {
    "gossipbook": "import gossipbook; gossipbook.open_client",
    "aio": "import gossipbook.aio; gossipbook.aio.open_client; gossipbook.aio.Wallet",
    "sync": "import gossipbook.sync; gossipbook.sync.open_client; gossipbook.sync.Manifest",
}


@pytest.mark.parametrize("face", IMPORTS)
def test_a_client_loads_nothing_that_only_a_peer_needs(face: str) -> None:
    unwanted = ("kademlia", "rpcudp", "rich", "click", "trio_asyncio", "gossipbook.sim", "gossipbook.dht")
    code = f"{IMPORTS[face]}; import sys; print([m for m in sys.modules if m.startswith({unwanted})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_where_it_is_said_to_be() -> None:
    listed = [name for found in names.HOMES.values() for name in found]
    assert sorted(listed) == sorted(names.__all__)
    for home, found in names.HOMES.items():
        module = importlib.import_module(f"gossipbook.{home}")
        assert [name for name in found if not hasattr(module, name)] == []
