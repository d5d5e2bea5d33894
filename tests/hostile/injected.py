"""A program that runs a peer with a fault injected at one await of its shells after another, and says who survived.

    python -m hostile.injected FOLDER [SITE …]

Each ``await`` in the modules of :data:`SHELLS` is a site, named by its module, function and number in it. Once armed,
the next pass of the peer over a site raises. For each site a peer is opened, is dealt with in every way there is, and
is asked for one more trade after. Prints one line of JSON a site: ``survived``, ``unreached``, or how the peer ended.
"""

import ast
import importlib.abc
import importlib.util
import json
import sys
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

SHELLS = (
    *("admission", "archivist", "driver", "explaining", "feeds", "inbox", "link", "opening", "proofs", "reporting"),
    *("runtime", "service", "transport", "turnstile"),
)
PACKAGE = "gossipbook.net"
HOOK = "__injected_await__"
EXERCISE_S, AFTER_S, SETTLED_S, BEAT_S = 6.0, 20.0, 0.4, 5.0


class Injected(Exception):
    """The fault."""


VICTIM: ContextVar[bool] = ContextVar("VICTIM", default=False)
"""Whether a task is the peer's; those who deal with it run the same modules."""


class Armed:
    """Which site raises next."""

    site = ""
    fired = False


async def injected_await(site: str, awaitable: Awaitable[Any]) -> Any:
    """Await, and then raise if it is this site's turn."""
    result = await awaitable
    if Armed.site == site and VICTIM.get():
        Armed.site, Armed.fired = "", True
        raise Injected(site)
    return result


class Sites(ast.NodeTransformer):
    """Names the awaits of a module, and puts the hook around each."""

    def __init__(self, module: str) -> None:
        self._where = [module]
        self._count: dict[str, int] = {}
        self.names: list[str] = []

    def _inside(self, node: Any) -> Any:
        self._where.append(node.name)
        self.generic_visit(node)
        self._where.pop()
        return node

    visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _inside

    def visit_Await(self, node: ast.Await) -> Any:
        self.generic_visit(node)
        place = ".".join(self._where)
        self._count[place] = self._count.get(place, 0) + 1
        name = f"{place}#{self._count[place]}"
        self.names.append(name)
        call = ast.Call(ast.Name(HOOK, ast.Load()), [ast.Constant(name), node.value], [])
        return ast.copy_location(ast.Await(call), node)


def source_of(module: str) -> tuple[Path, str]:
    root = Path(importlib.util.find_spec("gossipbook").submodule_search_locations[0])  # type: ignore[union-attr, index]
    path = root / "net" / f"{module}.py"
    return path, path.read_text(encoding="utf-8")


def all_sites() -> list[str]:
    """Every await of the shells."""
    names: list[str] = []
    for module in SHELLS:
        sites = Sites(module)
        sites.visit(ast.parse(source_of(module)[1]))
        names += sites.names
    return names


class Loader(importlib.abc.Loader):
    """Loads a shell with hooks in it."""

    def __init__(self, module: str) -> None:
        self._module = module

    def exec_module(self, module: Any) -> None:
        path, source = source_of(self._module)
        tree = ast.fix_missing_locations(Sites(self._module).visit(ast.parse(source)))
        module.__dict__[HOOK] = injected_await
        exec(compile(tree, str(path), "exec"), module.__dict__)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        package, _, module = name.rpartition(".")
        if package != PACKAGE or module not in SHELLS:
            return None
        return importlib.util.spec_from_loader(name, Loader(module), origin=str(source_of(module)[0]))


async def exercise(runtime: Any, second: Any, manifest: Any) -> None:
    """Deal with a peer in every way there is: links, trades, questions, feeds, a second peer, a stranger."""
    from net.support import SYMBOL, Author, shaken

    from gossipbook.client_messages import AskAuthor, AskBlock, Follow, Query, Submit, Unfollow, Watch, WatchProven
    from gossipbook.consensus.messages import Sync
    from gossipbook.errors import GossipbookError
    from gossipbook.trade.opening import open_client
    from gossipbook.wire.codec import encode_message
    from gossipbook.wire.framing import join_frame
    from gossipbook.wire.handshake import Role

    author = Author(manifest.chain_id)
    key = author.wallet.identity.public_key

    async def trade() -> None:
        async with open_client(runtime.local_address, manifest.chain_id) as client:
            await (await client.submit(author.op())).certified()
            for question in (("status",), ("peers",), ("book", SYMBOL)):
                await client.query(*question)
            await client.query("receipt", SYMBOL, key.hex(), "1", "0")
            await client.query("explain", SYMBOL, key.hex(), "1")
            await client.query("statement", SYMBOL, key.hex(), "")
            for question in ("order", "explain"):  # Of an order that there is not, which the past has to be read for.
                with suppress(GossipbookError):
                    await client.query(question, SYMBOL, key.hex(), "0")

    async def flood() -> None:
        """More signatures than are verified on the loop, what has to be refused, and more work than links may make."""
        many = Author(manifest.chain_id)
        ops = [many.op() for _ in range(8)]
        forged = replace(ops[0], signature=bytes(64))
        async with shaken(runtime.local_address, manifest, role=Role.CLIENT) as raw:
            await raw.send_message(join_frame(encode_message(Submit(op)) for op in ops))
            await raw.send_message(join_frame([encode_message(Submit(forged))]))
            for number in range(100):
                await raw.send_message(join_frame([encode_message(Query(number, "status", ()))]))
            with trio.move_on_after(SETTLED_S):
                while True:
                    await raw.get_message()

    async def listen(role: Role) -> None:
        async with shaken(runtime.local_address, manifest, role=role) as raw:
            asked = [Follow(SYMBOL), Watch(SYMBOL), WatchProven(SYMBOL), AskBlock(SYMBOL, 1), AskAuthor(SYMBOL, key, 0)]
            asked += [Query(1, "status", ()), Unfollow(SYMBOL)]
            asked = asked if role is Role.CLIENT else [Sync(SYMBOL, 0, 1)]
            await raw.send_message(join_frame(map(encode_message, asked)))
            with trio.move_on_after(SETTLED_S):
                while True:
                    await raw.get_message()

    async def lose_a_link() -> None:
        for link in list(second.driver.links.values()):
            link.close("the link was lost")
        await trio.sleep(SETTLED_S)

    async def be_rude() -> None:
        host, _, port = runtime.local_address.removeprefix("ws://").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")

    async def alone(act: Any, *arguments: Any) -> None:
        VICTIM.set(False)
        with suppress(Exception):  # It may be what the fault hits.
            await act(*arguments)

    with trio.move_on_after(EXERCISE_S):
        async with trio.open_nursery() as nursery:
            for act in ((trade,), (listen, Role.CLIENT), (listen, Role.PEER), (lose_a_link,), (be_rude,), (flood,)):
                nursery.start_soon(alone, *act)


async def outcome_of(site: str, folder: Path, number: int) -> str:
    """Arm a site, deal with a peer, and ask for one more trade."""
    from net.support import make_network

    from gossipbook.storage.keys import create_key

    manifest = make_network(folder, 1)
    create_key(folder / f"second{number}" / "keys" / "peer.key")
    Armed.site, Armed.fired = "", False
    try:
        return await _among_two(site, folder, f"second{number}", manifest)
    except BaseException as error:  # noqa: BLE001 - what ends a peer is what this is about
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return f"ended: {type(error).__name__}: {error}"


async def _among_two(site: str, folder: Path, other: str, manifest: Any) -> str:
    from net.support import Author, certify, open_peer

    from gossipbook.trade.opening import open_client

    async with open_peer(manifest, folder / other) as second:
        VICTIM.set(True)
        async with open_peer(manifest, folder / "peer1", peers=(second.local_address,)) as runtime:
            Armed.site = site
            await exercise(runtime, second, manifest)
            with trio.move_on_after(BEAT_S):  # What a heartbeat passes.
                while not Armed.fired:  # noqa: ASYNC110 - a hook cannot set an event of this loop's before there is one
                    await trio.sleep(0.02)
            armed, Armed.site = Armed.site, ""
            VICTIM.set(False)
            with trio.fail_after(AFTER_S):
                async with open_client(runtime.local_address, manifest.chain_id) as client:
                    await certify(client, Author(manifest.chain_id))
            if armed:
                Armed.site = site  # It may be passed on the way out.
    return "survived" if Armed.fired else "unreached"


def main(folder: Path, sites: list[str]) -> None:
    for number, site in enumerate(sites or all_sites()):
        place = folder / str(number)
        place.mkdir(parents=True)
        print(json.dumps([site, trio.run(outcome_of, site, place, number)]), flush=True)


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder())
    main(Path(sys.argv[1]), sys.argv[2:])
