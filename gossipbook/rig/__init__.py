"""Run scenarios on real peers: ``gossipbook start`` processes on loopback, with a fault-injecting proxy between them.

Scenario files, orders and what their words mean are those of :mod:`gossipbook.scenario`, as in the simulator; but the
binary is the shipped one, and sockets, disks and time are real: what the simulator leaves out of the picture is here.

    run_real                    folder, verdict
    ├─ RealNetwork              one process a peer; started, paused, killed by its process id
    ├─ Proxy, Wires             a port for each (dialler, listener); a wire for each direction between two peers
    ├─ PeerClients              a client link to each peer, past the proxy: status, acks
    ├─ Traders                  sign at the real time, send again elsewhere what is not certified in time
    ├─ RealInjector, RealRoles  put the scenario's faults on at their times; say who leads
    ├─ MinorityCheck            looks that who cannot hear a quorum certifies nothing
    └─ judge                    exports, the auditor, samples, acks: a verdict with the checks of each invariant

Upon the start: every peer knows the others by its own ports at the proxy and by nothing else, the DHT being off. Once
all are linked, the first order is signed. Upon a fault: :mod:`injector` puts it on and takes it off at its time. Upon
the last order: everything is healed; all ops must be certified and all peers be at the same tips within
``expect.heal_s``.

What TCP makes of trouble is said in :mod:`wires`. The two ends of a cut connection are held, not closed, so nobody
learns of a partition but by silence. A one-way cut stops one direction's bytes; the kernels' own acknowledgements
still pass, so the other direction is not slowed by it as it would be on a real line. What cannot be had at all is
refused by name: :func:`refusals`.
"""

from gossipbook.rig.judge import RealResult
from gossipbook.rig.processes import RigFailed
from gossipbook.rig.refuse import refusals
from gossipbook.rig.run import RealProgress, run_real

__all__ = ["RealProgress", "RealResult", "RigFailed", "refusals", "run_real"]
