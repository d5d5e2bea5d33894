"""A member restarted on an old copy of its journal, which has forgotten votes that others hold.

The protocol can only notice it (others tell it of its own votes); until then it may vote twice, so it counts as faulty.
"""

import random

from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles

BACK_US = 500_000


def restore_old_journal(roles: HostRoles, host: Host, rng: random.Random) -> None:
    """Copy the host's journal now; a little later crash the host and start it from the copy."""
    copy = host.journal.copy()

    def restore() -> None:
        if host.peer is not None:
            roles.world.crash(host.address, "restored from an old copy")
        host.journal = copy
        roles.world.start(host.address)

    roles.world.call(BACK_US + rng.randrange(BACK_US), restore)
