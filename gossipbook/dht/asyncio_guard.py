"""Importing trio_asyncio without harm to an embedder's own asyncio threads.

The import replaces asyncio's functions in the whole process. Most replacements look whether they are called
inside trio and otherwise do what they did before. Three do not: outside trio ``new_event_loop`` makes
trio-asyncio's own loop, so that ``asyncio.run`` in any other thread starts a second trio, and ``set_event_loop`` and
``get_event_loop`` use a policy of its own. These three are put back here in the standard library's form, which
asks the current policy: inside trio that is trio-asyncio's, elsewhere it is the one the embedder had or has set.

What remains is the import itself, a few milliseconds in which another thread must not create its first loop.
"""

import asyncio
import importlib
import sys
import threading
from typing import Any

_once = threading.Lock()


def import_trio_asyncio() -> Any:
    """The trio_asyncio module. If the program has imported it itself, asyncio is left as it is."""
    with _once:
        if "trio_asyncio" in sys.modules:
            return sys.modules["trio_asyncio"]
        module = importlib.import_module("trio_asyncio")
        for function in (new_event_loop, set_event_loop, get_event_loop):
            setattr(asyncio, function.__name__, function)
            setattr(asyncio.events, function.__name__, function)
        return module


def new_event_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_event_loop_policy().new_event_loop()


def set_event_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    asyncio.get_event_loop_policy().set_event_loop(loop)


def get_event_loop() -> asyncio.AbstractEventLoop:
    running = asyncio._get_running_loop()
    return running if running is not None else asyncio.get_event_loop_policy().get_event_loop()
