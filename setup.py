"""Builds the matching engine's hot modules as extensions where that can be done; all else is in pyproject.toml.

Without a C compiler or mypyc, or with ``GOSSIPBOOK_PURE=1``, the package is pure Python. ``gossipbook/compiled.py``
says which modules these are, and what runs when.
"""

import gc
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from setuptools import setup

ROOT = Path(__file__).parent
BUILDS = {"build", "build_ext", "bdist_wheel", "editable_wheel", "develop", "install"}
"""Commands that need the extensions; tools that build a package run this file for its name and needs, too."""


def load(path: Path) -> ModuleType:
    """A module by its file: the package itself cannot be imported before its dependencies are there."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def extensions() -> list[Any]:
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if not BUILDS.intersection(sys.argv):
        return []
    if os.environ.get("GOSSIPBOOK_PURE") == "1" or not shutil.which(compiler):
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        return []
    gc.disable()  # Of mypy's tables none is garbage, and looking for it takes a quarter of the time.
    compiled = load(ROOT / "gossipbook" / "compiled.py")
    files = [str(Path("gossipbook", "matching", f"{name}.py")) for name in compiled.HOT]
    try:
        built = mypycify(
            ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", *files],
            opt_level="3",
            debug_level="0",
            group_name="gossipbook_matching",
        )
    except SystemExit as error:
        sys.stderr.write(f"gossipbook: the hot modules stay pure Python, mypyc refuses them: {error}\n")
        return []
    for extension in built:
        extension.optional = True  # A compiler that fails leaves a pure package.
    compiled.STAMP.write_text(compiled.source_digest() + "\n")
    return built


setup(ext_modules=extensions())
gc.freeze()  # Nor at the end.
