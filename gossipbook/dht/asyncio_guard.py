"""Importing trio_asyncio without harm to an embedder's own asyncio threads.

The import replaces asyncio's functions in the whole process. Most replacements look whether they are called
inside trio and otherwise do what they did before. Three do not: outside trio ``new_event_loop`` makes
trio-asyncio's own loop, so that ``asyncio.run`` in any other thread starts a second trio, and ``set_event_loop`` and
``get_event_loop`` use a policy of its own. These three are kept out: before the import they get the standard
library's form, which asks the current policy (inside trio that is trio-asyncio's, elsewhere it is the one the embedder
had or has set), and the import cannot set them. While it runs, when the current policy cannot be asked, they use the
one there was before. So there is no moment at which another thread meets a loop that is not for it.
"""

import asyncio
import importlib
import sys
import threading
from types import ModuleType
from typing import Any

_once = threading.Lock()
_meanwhile: asyncio.AbstractEventLoopPolicy | None = None
_KEPT = ("new_event_loop", "set_event_loop", "get_event_loop")


class _Kept(ModuleType):
    """A module in which three names cannot be set."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _KEPT:
            super().__setattr__(name, value)


def import_trio_asyncio() -> Any:
    """The trio_asyncio module. If the program has imported it itself, asyncio is left as it is."""
    global _meanwhile
    with _once:
        if "trio_asyncio" in sys.modules:
            return sys.modules["trio_asyncio"]
        modules = (asyncio, asyncio.events)
        _meanwhile = asyncio.get_event_loop_policy()
        for module in modules:
            for function in (new_event_loop, set_event_loop, get_event_loop):
                setattr(module, function.__name__, function)
            module.__class__ = _Kept
        try:
            return importlib.import_module("trio_asyncio")
        finally:
            for module in modules:
                module.__class__ = ModuleType
            _meanwhile = None


def _policy() -> asyncio.AbstractEventLoopPolicy:
    return _meanwhile or asyncio.get_event_loop_policy()


def new_event_loop() -> asyncio.AbstractEventLoop:
    return _policy().new_event_loop()


def set_event_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    _policy().set_event_loop(loop)


def get_event_loop() -> asyncio.AbstractEventLoop:
    running = asyncio._get_running_loop()
    return running if running is not None else _policy().get_event_loop()
