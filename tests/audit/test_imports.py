"""The verifier shares no code with what it verifies, nor does anything that it imports."""

import ast
from pathlib import Path

import gossipbook

ROOT = Path(gossipbook.__file__).parent
ALLOWED = {"exits", "cbor", "errors", "identity", "ids", "manifest"}
WRITER = "audit.writer"


def imports(module: str) -> set[str]:
    """The modules of gossipbook that a module names, without the first word."""
    path = ROOT.joinpath(*module.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            named |= {f"{node.module}.{a.name}" if node.module == "gossipbook" else node.module for a in node.names}
    return {name.removeprefix("gossipbook.") for name in named if name.split(".")[0] == "gossipbook"}


def verifier_modules() -> list[str]:
    names = [f"audit.{path.stem}" for path in sorted((ROOT / "audit").glob("*.py"))]
    return [name.removesuffix(".__init__") for name in names if name != WRITER]


def test_it_imports_little() -> None:
    for module in verifier_modules():
        outside = {name for name in imports(module) if name.split(".")[0] != "audit"}
        assert outside <= ALLOWED, module
        assert WRITER not in imports(module), module


def test_what_it_imports_imports_little() -> None:
    seen: set[str] = set()
    todo = verifier_modules()
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += imports(module)
    forbidden = {"matching", "crdt", "consensus", "peer", "net", "gossip", "wire", "sim", "storage"}
    assert not {module for module in seen if module.split(".")[0] in forbidden}
