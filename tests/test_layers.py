"""The source holds to its own rules: imports point down and in no circle, cores stay pure, files stay short.

Every import counts: one in a function and one for type checking only say as much of who knows whom as any other.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "gossipbook"
FILES = sorted(path for path in ROOT.rglob("*.py") if path.stat().st_size)

# What each part may import of gossipbook, besides itself.
GROUND = {"ids", "errors", "exits", "effects", "ordered", "refusals", "compiled", "tables", "buckets"}
FIRST = GROUND | {"cbor", "identity", "limits", "manifest"}
CORES = FIRST | {"matching", "crdt", "consensus", "gossip", "client_messages", "books", "receipt", "accounts"}
PEER = CORES | {"wire"}
SHELLS = PEER | {"peer", "dht"}
BELOW_THE_DOORS = SHELLS | {"storage", "net", "sim", "flow"}
MAY_IMPORT: dict[str, set[str]] = {
    "ids": set(),
    "errors": set(),
    "effects": set(),
    "ordered": set(),
    "buckets": set(),
    "compiled": set(),
    "tables": {"errors"},
    "refusals": {"ordered"},
    "exits": {"errors"},
    "cbor": GROUND,
    "identity": GROUND,
    "limits": {"errors"},
    "manifest": GROUND | {"cbor", "limits"},
    "matching": FIRST,
    "crdt": FIRST | {"matching"},
    "consensus": FIRST | {"matching", "crdt"},
    "gossip": FIRST,
    "client_messages": FIRST | {"matching", "crdt", "consensus"},
    "books": FIRST | {"matching", "client_messages"},
    "receipt": FIRST | {"matching", "crdt", "consensus"},
    "accounts": FIRST | {"matching", "crdt"},
    "wire": CORES,
    "peer": PEER,
    "dht": PEER,
    "storage": SHELLS,
    "audit": SHELLS,
    "scenario": FIRST | {"matching"},
    "sim": SHELLS | {"storage", "audit", "flow", "scenario"},
    "explorer": CORES,
    "run_report": SHELLS | {"audit", "scenario", "sim"},
    "net": SHELLS | {"storage"},
}
ONLY_MODULES = {
    "flow": {"matching.commands", "errors"},
    "rematch": {f"matching.{name}" for name in ("commands", "engine", "events", "variants")}
    | {"crdt.op", "errors", "ids", "manifest"},
}
TOP = {
    *("gateway", "client", "cli", "testing", "demo", "rig", "embedded", "trade", "__init__", "__main__"),
    *("loops", "names", "faces", "aio", "sync", "monitor", "own_command"),
}
PURE = {
    *("ids", "errors", "effects", "ordered", "refusals", "cbor", "identity", "manifest"),
    *(
        "matching",
        "crdt",
        "consensus",
        "gossip",
        "client_messages",
        "books",
        "receipt",
        "accounts",
        "rematch",
        "wire",
        "peer",
        "scenario",
        "sim",
        "explorer",
        "run_report",
    ),
}
IMPURE = {"trio", "asyncio", "time", "socket", "os", "secrets", "sqlite3", "threading"}


# Inside a package, from below to above: a module imports only from rows before its own.
INSIDE: dict[str, tuple[str, ...]] = {
    "scenario": (
        "parts lines chance",
        "conditions orders schedule targets",
        "partitions",
        "rules",
        "scenario",
        "reading",
    ),
    "sim": (
        "clocks disk network signatures topology recorded swarm",
        "host plan",
        "timeline injected",
        "links",
        "world",
        "host_roles traders",
        "run_view moments adversaries",
        "checkers injector",
        "exchange",
        "run",
        "seeds shrink trail",
    ),
    "rig": (
        "wires refuse",
        "proxy",
        "processes",
        "peer_clients",
        "roles traders",
        "minority_check judge",
        "injector",
        "run",
    ),
}
INSIDE["trade"] = (
    "outcome units op_chain peer_link",
    "numbers blocks connections discovery",
    "tickets author_events block_stream receipts",
    "prepared_blocks",
    "book_feed",
    "head submission text_ids account_calls",
    "asking wallet_file",
    "author_state",
    "delivery sign_request lives",
    "head_finding",
    "author",
    "author_driver",
    "own_blocks",
    "wallet_questions",
    "wallet",
    "pair_calls",
    "client_pair",
    "client",
    "opening",
)
AUTHOR_CORE = {
    f"trade/{unit}.py"
    for unit in (
        *("outcome", "units", "op_chain", "numbers", "blocks", "tickets", "author_events", "head", "author_state"),
        *("delivery", "head_finding", "author"),
    )
}
"""The pure part of the trader's side, which the simulator drives too."""

STRANGERS = {"rig": {"sim", "explorer", "run_report"}, "demo": {"rig", "sim", "scenario", "explorer", "run_report"}}
"""What a part at the top does not import, though it might."""

LINES_CAP, FUNCTION_LINES_CAP = 400, 60
CORE_CLASSES = (
    "consensus/replica.py:Replica",
    "peer/peer.py:Peer",
    "peer/pair_replica.py:PairReplica",
    "dht/protocol.py:DhtProtocol",
)
CORE_CLASS_LINES_CAP = 250


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def part_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Dotted names of everything that a module imports, wherever in it that is, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_down(path: Path) -> None:
    part = part_of(path)
    wrong = []
    for module, line in imports(path):
        words = module.split(".")
        if words[0] != "gossipbook" or len(words) == 1 or words[1] == part:
            continue
        if part in ONLY_MODULES:
            allowed = any(module.startswith(f"gossipbook.{m}") for m in ONLY_MODULES[part])
        elif part in TOP:
            allowed = words[1] not in STRANGERS.get(part, set())
        else:
            assert part in MAY_IMPORT, f"{part} is in no layer"
            allowed = words[1] in MAY_IMPORT[part] or (len(words) == 2 and words[1] in MAY_IMPORT[part])
        if words[1] in TOP and part not in TOP:
            allowed = part == "sim" and name(imported_file(module) or path) in AUTHOR_CORE
        if not allowed:
            wrong.append(f"{name(path)}:{line} imports {module}")
    assert wrong == []


def imported_file(module: str) -> Path | None:
    """The file of the package that holds what a dotted name names: a module, or something in one."""
    words = module.split(".")
    if words[0] != ROOT.name:
        return None
    for end in (len(words), len(words) - 1):
        place = ROOT.joinpath(*words[1:end])
        if end > 1 and place.with_suffix(".py").is_file():
            return place.with_suffix(".py")
        if (place / "__init__.py").is_file():
            return place / "__init__.py"
    raise AssertionError(f"{module} is in no file")


def import_graph(files: Iterable[Path]) -> dict[Path, set[Path]]:
    """Which files each file imports, itself left out."""
    graph = {}
    for path in files:
        found = {imported_file(module) for module, _ in imports(path)}
        graph[path] = {other for other in found if other not in (None, path)}
    return graph  # type: ignore[return-value]  # None is taken out


def circles(graph: dict[Path, set[Path]]) -> list[set[Path]]:
    """The strongly connected components of more than one file, by Tarjan's algorithm."""
    numbers: dict[Path, int] = {}
    lowest: dict[Path, int] = {}
    open_: list[Path] = []
    found: list[set[Path]] = []

    def visit(path: Path) -> None:
        numbers[path] = lowest[path] = len(numbers)
        open_.append(path)
        for other in sorted(graph.get(path, ())):
            if other not in numbers:
                visit(other)
            if other in open_:
                lowest[path] = min(lowest[path], lowest[other])
        if lowest[path] == numbers[path]:
            at = open_.index(path)
            component = set(open_[at:])
            del open_[at:]
            if len(component) > 1:
                found.append(component)

    for path in graph:
        if path not in numbers:
            visit(path)
    return found


def test_no_files_import_one_another_in_a_circle() -> None:
    found = [{name(path) for path in circle} for circle in circles(import_graph(FILES))]
    assert [sorted(circle) for circle in found] == []


def test_a_circle_is_seen_through_functions_and_type_checking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_layers.ROOT", tmp_path / "gossipbook")
    package = tmp_path / "gossipbook" / "part"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    lines = {
        "one.py": "from gossipbook.part.two import thing\n",
        "two.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from gossipbook.part import three\n",
        "three.py": "def act():\n    import gossipbook.part.one\n",
        "four.py": "from gossipbook.part.one import thing\n",
    }
    for file, text in lines.items():
        (package / file).write_text(text)
    found = circles(import_graph(sorted(package.glob("*.py"))))
    assert found == [{package / file for file in ("one.py", "two.py", "three.py")}]


@pytest.mark.parametrize("part", INSIDE)
def test_imports_inside_a_package_point_down(part: str) -> None:
    row_of = {unit: number for number, row in enumerate(INSIDE[part]) for unit in row.split()}
    wrong = []
    for path in (path for path in FILES if part_of(path) == part):
        unit = path.relative_to(ROOT / part).parts[0].removesuffix(".py")
        for module, line in imports(path):
            other = (imported_file(module) or path).relative_to(ROOT)
            if other.parts[0] != part or unit == "__init__":
                continue
            below = other.parts[1].removesuffix(".py")
            assert unit in row_of, f"{part}/{unit} is in no row"
            if below != unit and not (below in row_of and row_of[below] < row_of[unit]):
                wrong.append(f"{name(path)}:{line} imports {module}")
    assert wrong == []


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) in PURE or name(p) in AUTHOR_CORE], ids=name)
def test_pure_parts_import_no_io(path: Path) -> None:
    wrong = [f"{name(path)}:{line} imports {m}" for m, line in imports(path) if m.split(".")[0] in IMPURE]
    assert wrong == []


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) in PURE or name(p) in AUTHOR_CORE], ids=name)
def test_pure_parts_have_no_entropy_of_their_own(path: Path) -> None:
    """``random.Random`` is handed in; the module's own generator is never used."""
    tree = ast.parse(path.read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
    }
    assert used <= {"Random"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_swallowed_or_left_over(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
            caught = ast.unparse(node.type)
            # Raised again, kept to be raised elsewhere, or at the very least logged with its traceback.
            again = node.name or any(isinstance(part, ast.Raise) for part in ast.walk(node))
            again = again or "log.exception(" in ast.unparse(node)
            if re.search(r"\b(Base)?Exception\b", caught):
                assert again, f"line {node.lineno}: except {caught}, and on as if nothing had been"
    assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", text)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    long = [f"{name(path)}: {lines} lines"] if lines > LINES_CAP else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_CAP:
                long.append(f"{name(path)}:{node.lineno} {node.name}: {length} lines")
    assert long == []


@pytest.mark.parametrize("where", CORE_CLASSES)
def test_the_classes_that_tie_the_cores_together_are_short(where: str) -> None:
    path, wanted = where.split(":")
    (found,) = [
        node
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.ClassDef) and node.name == wanted
    ]
    assert found.end_lineno is not None
    assert found.end_lineno - found.lineno + 1 < CORE_CLASS_LINES_CAP
