"""Random generators, each drawn from a run's seed for one purpose."""

import random


def seeded(seed: int, *purpose: object) -> random.Random:
    """Return the generator of one purpose, so that leaving one thing out of a run does not change the others."""
    return random.Random(f"{seed} {' '.join(map(str, purpose))}")
