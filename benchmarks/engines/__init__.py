"""What `benchmarks/matching.py` drives: the product, a minimal loop as yardstick, and engines of other people.

All get the same *steps* (`steps.py`), tuples of integers, and do the same work: enter limit orders, some of them
immediate or cancel, cancel them, lower them. Each contender runs in a process of its own (`worker.py`) under an
interpreter of its own.

Rules
-----
- Before the clock starts, steps become what the engine's interface takes as input: plain values of the types that it
  documents (a price as `Decimal` where it wants that), or its frozen command messages, as the product's commands are.
  Whatever becomes the resting order is made by the clock, in every engine.
- No step is refused and no take leaves a remainder in a correct engine, so an engine without immediate-or-cancel does
  the same work. Where an engine cannot lower an order, it is cancelled and entered anew: it loses its place, which the
  adapter's `note` says and the volume check may show.
- A caller looks whether a command traded; results that hold trades are kept, others are dropped.
- An engine that needs a newer Python runs on one, beside a loop on the same one; what it is compared by is its ratio to
  that loop.
- The garbage collector runs as it does by default; what lived before the clock is frozen out of its sight.

No contender but `product` imports anything of gossipbook, and `loop.py` only the standard library.
"""
