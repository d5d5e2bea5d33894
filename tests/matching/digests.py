"""What the engine makes of random flows, as digests: every event, and the state at the end.

As a program it prints them as JSON, so that another interpreter, or the engine's source, can be asked.
"""

import hashlib
import json
import sys

from gossipbook import cbor, compiled
from gossipbook.audit.oracle import OracleBook

from .chaos import ALL_ARENAS, Chaos
from .duel import execute_engine, execute_oracle

BLOCKS = 60
SEEDS = (1, 2)


def flow_digest(arena_name: str, seed: int) -> str:
    """Digest of all events of one flow and of the engine's state after it."""
    arena = ALL_ARENAS[arena_name]
    chaos, oracle, engine = Chaos(seed, arena), OracleBook(*arena.rules), arena.rules.engine()
    told = hashlib.sha256()
    for _ in range(BLOCKS):
        ops = chaos.block(oracle)
        execute_oracle(oracle, chaos.time_ms, ops)
        told.update(cbor.encode(execute_engine(engine, chaos.time_ms, ops)))
        engine.commit()
    told.update(engine.digest())
    return told.hexdigest()


def all_digests() -> dict[str, str]:
    return {f"{name} {seed}": flow_digest(name, seed) for name in ALL_ARENAS for seed in SEEDS}


if __name__ == "__main__":
    json.dump({"source": compiled.why_source(), "digests": all_digests()}, sys.stdout)
