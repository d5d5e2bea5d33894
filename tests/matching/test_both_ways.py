"""Compiled or not, the engine comes to the same events: those that are written down.

``GOSSIPBOOK_REWRITE=1`` writes them anew. A changed line breaks every network that runs.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gossipbook import compiled

from .digests import all_digests

GOLDEN = Path(__file__).parent.parent / "vectors" / "matching_digests.json"
TESTS = Path(__file__).parent.parent


def golden() -> dict[str, str]:
    written: dict[str, str] = json.loads(GOLDEN.read_text())
    return written


def test_this_way() -> None:
    found = all_digests()
    if os.environ.get("GOSSIPBOOK_REWRITE") == "1":
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    assert found == golden()


def test_from_the_source() -> None:
    environment = {**os.environ, "GOSSIPBOOK_PURE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "matching.digests"]
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["source"]
    assert told["digests"] == golden()


def test_where_there_is_a_compiler_the_engine_is_compiled() -> None:
    if not (shutil.which("gcc") or shutil.which("cc")):
        pytest.skip("no C compiler, so the package was built without extensions")
    if os.environ.get("GOSSIPBOOK_REQUIRE_ALL") != "1" and not compiled.are_extensions_there():
        pytest.skip("not built in place with a compiler; `make compile` does that")
    assert compiled.are_extensions_there()
    asked_for = os.environ.get("GOSSIPBOOK_PURE") == "1"
    assert compiled.why_source() == ("GOSSIPBOOK_PURE=1 is set" if asked_for else "")


def test_a_changed_source_runs_instead_of_what_was_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in compiled.HOT:
        shutil.copy(compiled.FOLDER / f"{name}.py", tmp_path)
        (tmp_path / f"{name}.so").touch()
    monkeypatch.delenv("GOSSIPBOOK_PURE", raising=False)
    monkeypatch.setattr(compiled, "EXTENSION_SUFFIXES", [".so"])
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    monkeypatch.setattr(compiled, "STAMP", tmp_path / "stamp")
    assert compiled.why_source() == "its source was changed since it was compiled"
    compiled.STAMP.write_text(compiled.source_digest())
    assert compiled.why_source() == ""
    with (tmp_path / "engine.py").open("a") as file:
        file.write("# an edit\n")
    assert compiled.why_source() == "its source was changed since it was compiled"
    monkeypatch.setenv("GOSSIPBOOK_PURE", "1")
    assert compiled.why_source() == "GOSSIPBOOK_PURE=1 is set"
    (tmp_path / "book.so").unlink()
    assert compiled.why_source() == "it was not built with a compiler"
