"""What it costs to keep a consumer's book: CPU time an event, a checksum, an order of a digest or snapshot."""

import argparse
import time
from collections.abc import Callable
from itertools import islice

from gossipbook.books.l3 import L3Book
from gossipbook.flow import generated_flow
from gossipbook.ids import ZERO_DIGEST
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Place
from gossipbook.matching.engine import Engine
from gossipbook.wire.codec import encode_message

SPEC = Pair("A/B")
COMMANDS_PER_BLOCK = 100


def cpu_s(work: Callable[[], object], times: int = 1) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=60_000)
    parser.add_argument("--resting", type=int, default=10_000)
    options = parser.parse_args()

    flow = generated_flow(11, makers=4, takers=1, start_ms=0)
    steps = [*flow.prelude, *islice(flow.steps, options.commands)]
    engine = Engine(SPEC, Limits())
    blocks = []

    def match() -> None:
        for first in range(0, len(steps), COMMANDS_PER_BLOCK):
            engine.begin_block(steps[first].time_us // 1_000)
            for step in steps[first : first + COMMANDS_PER_BLOCK]:
                engine.run(bytes([step.author]) * 32, [step.command])
            blocks.append(tuple(engine.end_block()))
            engine.commit()

    matching_s = cpu_s(match)
    events = sum(map(len, blocks))
    book = L3Book(SPEC)

    def follow() -> None:
        for height, block in enumerate(blocks, 1):
            book.apply(height, ZERO_DIGEST, height, block)

    following_s = cpu_s(follow)
    print(
        f"{events:,} events: engine {matching_s / events * 1e6:.2f} µs each, book {following_s / events * 1e6:.2f} µs"
    )
    print(f"checksum: {cpu_s(book.checksum, 200) * 1e6:.0f} µs")

    engine = Engine(SPEC, Limits())
    engine.begin_block(1)
    engine.run(bytes(32), [Place(n, 1, 1, 10_000 - n % 500, 5, 1) for n in range(1, options.resting + 1)])
    large = L3Book(SPEC)
    large.apply(1, ZERO_DIGEST, 1, tuple(engine.end_block()))
    each = 1e6 / len(large)
    print(f"{len(large):,} resting orders: digest {cpu_s(large.digest, 5) * each:.2f} µs each")
    snapshot = large.snapshot()
    loading_s = cpu_s(lambda: L3Book.of_snapshot(SPEC, snapshot))
    encoding_s = cpu_s(lambda: [encode_message(part) for part in snapshot.parts()])
    size = sum(len(encode_message(part)) for part in snapshot.parts())
    loading, encoding = loading_s * each, encoding_s * each
    print(f"snapshot: load {loading:.2f} µs an order, encode {encoding:.2f} µs, {size / len(large):.0f} bytes")


if __name__ == "__main__":
    main()
