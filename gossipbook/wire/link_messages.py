"""Liveness of a link: each side pings, and closes a link on which nothing at all was read for too long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


@dataclass(frozen=True, slots=True)
class Pong:
    number: int
