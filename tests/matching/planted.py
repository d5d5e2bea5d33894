"""The engine's source compiled anew, with a bug in it. Whether the installed one is compiled does not matter."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import gossipbook.matching
from gossipbook.compiled import HOT

PACKAGE = "gossipbook.matching"
SOURCE = Path(gossipbook.matching.__file__).parent
MODULES = [name for name in HOT if name not in ("constants", "undo")]
"""What an engine is made of, beside constants, each after those that it imports."""


class Bug(NamedTuple):
    """Replace ``right`` by ``wrong`` in one module; ``right`` must be there, once."""

    module: str
    right: str
    wrong: str


def engine_with(bug: Bug | None, variant: str = "Engine") -> Any:
    """An ``Engine`` class of its own, or one of its variants, from the source."""
    names = [f"{PACKAGE}.{module}" for module in MODULES]
    installed = {name: importlib.import_module(name) for name in names}
    try:
        for module, name in zip(MODULES, names, strict=True):
            path = SOURCE / f"{module}.py"
            text = path.read_text()
            if bug is not None and bug.module == module:
                assert text.count(bug.right) == 1, f"{path.name} has changed: plant this bug anew"
                text = text.replace(bug.right, bug.wrong)
            fresh = sys.modules[name] = ModuleType(name)
            exec(compile(text, str(path), "exec"), fresh.__dict__)
        return sys.modules[names[-1]].__dict__[variant]
    finally:
        sys.modules.update(installed)
