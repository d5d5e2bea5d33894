"""The same flows through all engines, round by round."""

import pickle
import statistics
import sys
from pathlib import Path
from typing import Any

from engines.install import BUILD, HERE, ROOT, Unavailable, compiled_loop, installed
from engines.others import OTHERS, Other
from engines.rounds import Contender, interleave, ratio
from engines.steps import Steps

SLOW_S = 10.0  # An engine that needs longer for a flow is measured by its first pass only.
PRODUCT, COMPILED, LOOP, COMPILED_LOOP = "product", "product, compiled", "loop", "loop, compiled"
LINKED, COMPILED_LINKED = "linked loop", "linked loop, compiled"

Missing = dict[str, str]


def start_ours(missing: Missing) -> list[Contender]:
    """The product and the loop, both as Python and, where that can be had, compiled."""
    here = Path(sys.executable)
    started = [Contender(LOOP, "loop", here), Contender(LINKED, "linked-loop", here)]
    try:
        folder = compiled_loop()
        started.append(Contender(COMPILED_LOOP, "compiled-loop", here, language="compiled", path=(folder,)))
        folder = compiled_loop("linked_loop")
        label, worker = COMPILED_LINKED, "compiled-linked-loop"
        started.append(Contender(label, worker, here, language="compiled", path=(folder,)))
    except Unavailable as reason:
        missing[COMPILED_LOOP] = str(reason)
    pure = Contender(PRODUCT, "product", here, path=(ROOT,), environment={"GOSSIPBOOK_PURE": "1"})
    _keep_if(not pure.compiled, pure, "GOSSIPBOOK_PURE=1 does not keep the compiled modules out", started, missing)
    built = Contender(COMPILED, "product", here, language="compiled", path=(ROOT,))
    _keep_if(built.compiled, built, "gossipbook.matching is not built compiled", started, missing)
    return started


def _keep_if(fits: bool, contender: Contender, reason: str, started: list[Contender], missing: Missing) -> None:
    if fits:
        started.append(contender)
    else:
        contender.end()
        missing[contender.label] = reason


def start_others(missing: Missing) -> list[Contender]:
    """All engines from the package index that can be had; the loop beside those that need another interpreter."""
    started: list[Contender] = []
    for name, other in OTHERS.items():
        try:
            started += _start_other(name, other)
        except Unavailable as reason:
            missing[name] = f"{other.requirement}: {reason}"
    return started


def _start_other(name: str, other: Other) -> list[Contender]:
    python = installed(other)
    contender = Contender(name, name, python, language=other.language, note=other.note)
    if other.python <= HERE:
        return [contender]
    return [Contender(f"{LOOP}, Python {contender.python}", "loop", python), contender]


def race(flow: Steps, contenders: list[Contender], rounds: int, missing: Missing) -> list[dict[str, Any]]:
    """Rows of one flow's table. A contender that fails is named in ``missing`` and left out."""
    path = BUILD / f"{flow.name}.pickle"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(flow.steps))
    first: dict[str, dict[str, Any]] = {}
    for contender in list(contenders):
        try:
            first[contender.label] = contender.ask(load=str(path), flow=flow.name)
        except Unavailable as reason:
            missing[contender.label] = f"{flow.name} flow: {reason}"
            contenders.remove(contender)
    slow = {label for label, reply in first.items() if reply["cpu_s"] > SLOW_S}
    by_label = {contender.label: contender for contender in contenders}
    seconds, lost = interleave(
        [label for label in by_label if label not in slow],
        rounds,
        lambda label: by_label[label].ask(run=flow.name)["cpu_s"],
    )
    missing |= {label: f"{flow.name} flow: {reason}" for label, reason in lost.items()}
    contenders[:] = [contender for contender in contenders if contender.label not in lost]
    seconds |= {label: [first[label]["cpu_s"]] * rounds for label in slow}
    true = first[PRODUCT if PRODUCT in first else LOOP]
    return [
        {
            "flow": flow.name,
            "engine": label,
            "language": contender.language,
            "python": contender.python,
            "commands_s": len(flow.steps) / statistics.median(seconds[label]),
            "x_loop": _over(seconds, label, _loop_beside(contender, contenders)),
            "x_compiled_loop": _over(seconds, label, COMPILED_LOOP),
            "x_product": _over(seconds, label, PRODUCT),
            "lots": first[label]["lots"],
            "notional": first[label]["notional"],
            "agrees": all(first[label][what] == true[what] for what in ("lots", "notional")),
            "note": "; ".join(filter(None, (contender.note, "slow: one pass" if label in slow else ""))),
        }
        for label, contender in by_label.items()
        if label in seconds
    ]


def _loop_beside(contender: Contender, contenders: list[Contender]) -> str:
    """The pure loop under the same interpreter."""
    for other in contenders:
        if other.python == contender.python and other.label.startswith(LOOP) and other.label != COMPILED_LOOP:
            return other.label
    return LOOP


def _over(seconds: dict[str, list[float]], label: str, base: str) -> float | None:
    return ratio(seconds[label], seconds[base]) if base in seconds else None
