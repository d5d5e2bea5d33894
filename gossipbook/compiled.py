"""Which of the matching engine's modules run compiled, and when their source runs instead.

The modules of :data:`HOT` are typed for mypyc. Where the package is built with a C compiler at hand they are built as
extensions beside their source, with the digest of the source that they were made of. On import, the source runs

- if there are no extensions, as after a build without a compiler;
- if ``GOSSIPBOOK_PURE=1`` is set;
- if the source beside them is another than they were made of: an edit is never without effect.

Both ways come to the same events; ``tests/matching/test_both_ways.py`` holds them to that.
"""

import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = "gossipbook.matching"
FOLDER = Path(__file__).parent / "matching"
HOT = (
    "constants",
    "undo",
    "ladder",
    "sorted_orders",
    "stops",
    "timetable",
    "groups",
    "auction",
    "book",
    "counters",
    "market",
    "controls",
    "amendments",
    "placing",
    "engine",
    "variants",
)
STAMP = FOLDER / "compiled.sha256"
"""Written by the build: the digest of the sources that the extensions were made of."""


def source_digest() -> str:
    """SHA-256 over the hot modules' source, as hex digits."""
    together = hashlib.sha256()
    for name in HOT:
        together.update(hashlib.sha256((FOLDER / f"{name}.py").read_bytes()).digest())
    return together.hexdigest()


def are_extensions_there() -> bool:
    return all(any((FOLDER / f"{name}{suffix}").exists() for suffix in EXTENSION_SUFFIXES) for name in HOT)


def why_source() -> str:
    """Why the source runs, in words; empty if the extensions do."""
    if not are_extensions_there():
        return "it was not built with a compiler"
    if os.environ.get("GOSSIPBOOK_PURE") == "1":
        return "GOSSIPBOOK_PURE=1 is set"
    if not STAMP.exists() or STAMP.read_text(encoding="utf-8").strip() != source_digest():
        return "its source was changed since it was compiled"
    return ""


class _SourceFinder:
    """Finds the hot modules' source where the import system would take the extensions."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        package, _, module = name.rpartition(".")
        if package != PACKAGE or module not in HOT:
            return None
        file = FOLDER / f"{module}.py"
        return spec_from_file_location(name, file, loader=SourceFileLoader(name, str(file)))


def choose() -> None:
    """Have the source imported, if it is to run. Called once, before any hot module is imported."""
    if are_extensions_there() and why_source() and _SourceFinder not in sys.meta_path:
        sys.meta_path.insert(0, _SourceFinder)
