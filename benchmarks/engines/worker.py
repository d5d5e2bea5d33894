"""One contender in a process of its own. The orchestrator writes one JSON line a request and reads one a reply.

    python -m engines.worker CONTENDER

Requests: ``{"load": FILE, "flow": NAME}``, ``{"run": NAME}`` (one pass on a fresh book), ``{"build": SIZE}`` and
``{"churn": COMMANDS, "near": BOOL}`` for a deep book.
"""

import gc
import importlib
import json
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

from engines.deep import DeepBook

Reply = dict[str, Any]


def contender(name: str) -> Callable[[], Any]:
    """A maker of fresh books."""
    if name == "product":
        from engines.product import Product

        return Product
    from engines.others import OTHERS, MinimalLoop

    if name == "loop":
        return MinimalLoop
    if name == "linked-loop":
        linked = importlib.import_module("engines.linked_loop").Loop
        return lambda: MinimalLoop(linked)
    if name in ("compiled-loop", "compiled-linked-loop"):
        loop = importlib.import_module("compiled_loop").Loop
        return lambda: MinimalLoop(loop)
    return OTHERS[name].adapter


def module_file(name: str) -> str:
    """The file that decides whether the contender is compiled."""
    if name == "product":
        return str(importlib.import_module("gossipbook.matching.engine").__file__)
    return str(importlib.import_module("compiled_loop" if name.startswith("compiled") else "engines.loop").__file__)


class Worker:
    def __init__(self, name: str) -> None:
        self.make = contender(name)
        self.flows: dict[str, Any] = {}
        self.deep: DeepBook | None = None

    def answer(self, request: Reply) -> Reply:
        match request:
            case {"load": path, "flow": flow}:
                return self.load(flow, path)
            case {"run": flow}:
                return self.run(flow)
            case {"build": size}:
                self.deep = DeepBook(self.make(), size)
                return dict(self.deep.build())
            case {"churn": count, "near": near}:
                assert self.deep is not None
                return {"cpu_s": self.deep.run(count, near=near)}
        raise ValueError(f"no such request: {request}")

    def load(self, flow: str, path: str) -> Reply:
        """Read steps, decode them for this engine, and run them once to warm up and to see what trades."""
        with open(path, "rb") as file:
            steps = pickle.load(file)  # The orchestrator's own file, written a moment ago.
        book = self.make()
        self.flows[flow] = book.prepare(steps)
        del steps
        gc.collect()
        gc.freeze()
        began = time.process_time()
        book.run(self.flows[flow])
        seconds = time.process_time() - began
        lots, notional = book.traded()
        return {"cpu_s": seconds, "lots": lots, "notional": notional}

    def run(self, flow: str) -> Reply:
        book = self.make()
        prepared = self.flows[flow]
        gc.collect()
        began = time.process_time()
        book.run(prepared)
        return {"cpu_s": time.process_time() - began}


def main() -> int:
    name = sys.argv[1]
    worker = Worker(name)
    print(json.dumps({"python": sys.version.split()[0], "file": module_file(name)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
