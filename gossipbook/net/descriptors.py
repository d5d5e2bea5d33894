"""File descriptors: as many as the system gives, and no more connections than there are descriptors for.

A listener that runs out of them cannot even refuse: it would fail to accept again and again, and so would the journal.
"""

import resource
from dataclasses import replace

from gossipbook.errors import ConfigError
from gossipbook.net.settings import NetSettings

OWN_DESCRIPTORS = 32
"""The journal, the archive, logs, sockets that listen, threads' and the loop's own."""
WANTED_DESCRIPTORS = 4_096
LEAST_CONNECTIONS = 16
"""Fewer than this do not make a peer: its committee, and some who ask."""


def fit(settings: NetSettings) -> NetSettings:
    """Ask the system for more descriptors, and lower the caps on connections to what there is.

    Raises:
        ConfigError: there are too few for a peer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY:
        return settings
    connections = soft - OWN_DESCRIPTORS
    if connections < LEAST_CONNECTIONS:
        needed = OWN_DESCRIPTORS + LEAST_CONNECTIONS
        raise ConfigError(f"{soft} file descriptors are too few for a peer; it needs {needed} (see ulimit -n)")
    return replace(
        settings,
        half_open_cap=min(settings.half_open_cap, connections // 4),
        dial_parallel_cap=min(settings.dial_parallel_cap, max(1, connections // 8)),
        links_cap=min(settings.links_cap, connections // 2),
    )
