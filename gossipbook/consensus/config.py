"""Timing of the replica core, all in milliseconds of the timer clock."""

from dataclasses import dataclass

from gossipbook.limits import Timing


@dataclass(frozen=True, slots=True)
class ConsensusConfig:
    """What a replica may decide for itself; the rest is the manifest's."""

    newcomer_pause_ms: int = 50  # the least time between two blocks of newcomers alone; a guess: three blocks
    proposals_apart_ms: int = 10  # the least time between two of a leader: members take twice as many a second
    relay_after_ms: int = 100  # a guess: two message delays of a wide network, a tenth of a round
    fetch_grace_ms: int = 40  # bodies follow a proposal in a slower lane; measured: else most are fetched in vain
    fetch_retry_ms: int = 300  # a guess: several round trips, well under a term
    sync_retry_ms: int = 1_000  # a guess: one batch of blocks over a slow link
    sync_pause_ms: int = 500  # how long a follower that is a few blocks behind waits for them to come by gossip
    sync_batch_blocks: int = 16  # with bodies at most 16 x 64 KiB, what one sync may cost its server
    leader_gone_ms: int = 50  # how long a leader whose link is gone has to come back; a guess: two dials nearby
    settle_ms: int = 1_000  # how long to wait for the others' record of my own votes after a start
    help_pause_ms: int = 200  # the least time between two helpings of one laggard

    def __post_init__(self) -> None:
        for name in self.__slots__:
            assert getattr(self, name) > 0 or name in ("newcomer_pause_ms", "proposals_apart_ms"), name


def round_ms(timing: Timing, failed_terms: int) -> int:
    """How long a term may go without a finalized block: base x 2^failed terms, capped."""
    return min(timing.timeout_base_ms << min(failed_terms, 20), timing.timeout_cap_ms)
