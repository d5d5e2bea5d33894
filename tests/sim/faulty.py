"""A run under random faults, from one seed: loss, crashes, partitions; then a heal, and everything must agree."""

import random

from consensus.cluster import Author, Cluster, S

from gossipbook.client_messages import AckLevel


def one_run(seed: int, n: int = 4, fault_model: str = "byzantine", faults: int = 12, loss: float = 0.05) -> Cluster:
    """The cluster after the heal; asserts safety all along. ``settled`` says whether it came to rest."""
    rng = random.Random(seed)
    cluster = Cluster(n, fault_model, seed=seed).start()
    authors = [Author(f"author {i}", cluster.manifest) for i in range(4)]
    down: list[int] = []
    cluster.wires.loss = loss

    def trade() -> None:
        author = rng.choice(authors)
        up = [i for i in range(n) if i not in down]
        if up:
            cluster.submit(rng.choice(up), author.order(rng))

    for _ in range(faults):
        what = rng.choice(["crash", "restart", "cut", "heal", "wait", "trade"])
        if what == "crash" and len(down) < n:
            seat = rng.choice([i for i in range(n) if i not in down])
            cluster.world.crash(cluster.ids[seat])
            down.append(seat)
        elif what == "restart" and down:
            cluster.world.start(cluster.ids[down.pop(rng.randrange(len(down)))])
        elif what == "cut" and n > 1:
            order = rng.sample(range(n), n)
            at = rng.randint(1, n - 1)
            cluster.cut(order[:at], order[at:])
        elif what == "heal":
            cluster.wires.side = {}
        for _ in range(rng.randint(0, 4)):
            trade()
            cluster.world.run(rng.choice([1, 3, 8, 20, 200]))
        cluster.world.run(rng.choice([2, 5, 10, 50, 700, 2_500]))
        cluster.check()
    cluster.heal()
    for seat in down:
        cluster.world.start(cluster.ids[seat])
    cluster.settled = cluster.settle(180)  # type: ignore[attr-defined]
    cluster.authors = authors  # type: ignore[attr-defined]
    cluster.check()
    return cluster


def lost_acks(cluster: Cluster) -> set[bytes]:
    return cluster.acked(AckLevel.DURABLE) - cluster.certified()


__all__ = ["S", "lost_acks", "one_run"]
