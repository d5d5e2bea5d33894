"""Liveness of a link: each side pings, and closes a link on which nothing at all was read for too long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ping:
    """``number`` is the sender's time of day, in milliseconds; earlier programs counted their pings."""

    number: int


@dataclass(frozen=True, slots=True)
class Pong:
    """``number`` is the ping's."""

    number: int
