"""What goes into a core and what comes out of it.

A core decides and never waits; a driver waits and never decides. Every core is a class whose methods
take events and the :class:`Now` at which they happen, and return a list of effects, which the driver
performs **in list order** under the ordering law:

    no Send, Emit or reply is performed until every Persist that the core emitted earlier, in this list
    or any before it, is durable.

Effects are plain frozen values. What a message or a record *is* belongs to the packages that define
them; here they are opaque.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

LinkId: TypeAlias = bytes
"""Names a live link: the peer id (20 bytes) for a peer, peer id and a serial number for a client."""


class Now(NamedTuple):
    """The two clocks of a core, both integers in milliseconds.

    ``wall_ms`` is the time of day (it may jump and may be wrong); ``timer_ms`` never goes back and is
    the only one that durations are measured with.
    """

    wall_ms: int
    timer_ms: int


class Lane(IntEnum):
    """A link's outbound queues, most urgent first."""

    CONSENSUS = 0
    SYNC = 1
    OPS = 2
    DIGESTS = 3


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message over the named links, encoded once.

    ``at_once``: it rests on no record of its turn or of an earlier one, and need not wait until those are durable.
    """

    to: tuple[LinkId, ...]
    message: object
    lane: Lane
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class SendStored:
    """Send finalized blocks ``first..last`` of a pair from the journal, as many as fit the sync lane."""

    to: LinkId
    pair: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish a message on a pair's topic. The composition of cores turns it into gossip; no driver sees it.

    ``besides`` names links that have the message, or will get it, by another way.
    """

    pair: str
    message_id: bytes
    message: object
    besides: tuple[LinkId, ...] = ()


@dataclass(frozen=True, slots=True)
class Persist:
    """Make a record durable before anything that follows leaves this peer."""

    record: object


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand an event to this peer's own subscribers; ``at_once`` as for :class:`Send`."""

    event: object
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Hand ``timer`` back after a delay. Timers are never cancelled: a stale one is ignored by its core."""

    after_ms: int
    timer: object


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close a link, saying why."""

    link: LinkId
    reason: str


@dataclass(frozen=True, slots=True)
class Blame:
    """Hold against whoever is at the other end of a link that it sent what it was to check before.

    The composition of cores counts it and closes the links of those who do so again and again; no driver sees it.
    """

    link: LinkId
    reason: str


Effect: TypeAlias = Send | SendStored | Persist | Emit | SetTimer | Disconnect
"""What drivers perform."""

CoreEffect: TypeAlias = Effect | Publish | Blame
"""What the cores inside a peer may ask of one another as well."""
