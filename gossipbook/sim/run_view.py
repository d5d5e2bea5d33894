"""What the checkers of a run may see of it, without being able to change it."""

from collections.abc import Mapping, Sequence

from gossipbook.audit.seats import Seats
from gossipbook.effects import LinkId
from gossipbook.identity import Verifier
from gossipbook.ids import PeerId
from gossipbook.manifest import Manifest
from gossipbook.sim.host import Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.sim.injected import Injected
from gossipbook.sim.traders import Trader


class RunView:
    """The time, the hosts, the traders, the wires and the faults of one run, as they are at the moment of asking.

    The driver of the run sets ``faults`` when it schedules them, and ``healed`` at the heal.
    """

    def __init__(self, roles: HostRoles, traders: Mapping[str, Trader]) -> None:
        self._world = roles.world
        self.manifest: Manifest = roles.world.manifest
        self.verifier: Verifier = roles.world.verifier
        self.seats: Mapping[str, Seats] = roles.seats
        self.hosts: Sequence[Host] = roles.hosts
        self.traders = traders
        self.faults: Sequence[Injected] = ()
        self.healed = False

    @property
    def now_us(self) -> int:
        return self._world.now_us

    def host(self, link: LinkId) -> Host | None:
        """Return the host at the other end of a link; None if that is a client."""
        return self._world.hosts.get(link)

    def honest(self) -> list[Host]:
        """Return the hosts that are held to the rules."""
        return [host for host in self.hosts if not host.faulty]

    def partitioned(self) -> bool:
        """Return whether a fault that is on now cuts wires."""
        return any(injected.cuts for injected in self.faults if injected.active)

    def is_cut(self, sender: PeerId, receiver: PeerId) -> bool:
        """Return whether nothing gets from one peer to another now."""
        return self._world.network.is_cut(sender, receiver)

    def fair_weather(self) -> bool:
        """Return whether no wire loses, copies, delays or slows messages beyond the network's usual delay."""
        return not self._world.network.weather
