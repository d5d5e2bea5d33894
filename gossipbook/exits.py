"""The exit codes of all commands, and which error leads to which."""

from enum import IntEnum

from gossipbook.errors import (
    ConfigError,
    FolderLocked,
    GossipbookError,
    HandshakeError,
    JournalError,
    LinkClosed,
    ManifestError,
    NoAnswer,
    NotKnown,
    PeerFault,
    ScenarioError,
    Unavailable,
    WalletError,
)


class Exit(IntEnum):
    """What a command's exit code means."""

    GOOD = 0
    BAD = 1  # the thing itself is bad: invalid, refused, rejected, no quorum
    USAGE = 2  # wrong usage or configuration; nothing was done
    UNKNOWN = 3  # it is not known: an order that is signed and not certified yet, a run in which nothing happened
    ENVIRONMENT = 4  # a disk, a port, a connection
    FAULT = 5  # a fault of this program ended a peer
    INTERRUPTED = 130


VERDICTS = {"valid": Exit.GOOD, "invalid": Exit.BAD, "unknown": Exit.UNKNOWN}

_BY_ERROR: tuple[tuple[type[GossipbookError], Exit], ...] = (
    (PeerFault, Exit.FAULT),
    (NotKnown, Exit.UNKNOWN),
    (FolderLocked, Exit.ENVIRONMENT),
    (JournalError, Exit.ENVIRONMENT),
    (WalletError, Exit.ENVIRONMENT),
    (Unavailable, Exit.ENVIRONMENT),
    (NoAnswer, Exit.ENVIRONMENT),
    (LinkClosed, Exit.ENVIRONMENT),
    (HandshakeError, Exit.ENVIRONMENT),
    (ManifestError, Exit.USAGE),
    (ScenarioError, Exit.USAGE),
    (ConfigError, Exit.USAGE),
)
"""The first that an error is an instance of decides; any other error of ours is bad."""


def exit_of(error: BaseException) -> Exit:
    """Return the exit code for an error that ended a command."""
    if isinstance(error, OSError):
        return Exit.ENVIRONMENT
    if isinstance(error, UnicodeDecodeError):
        return Exit.USAGE
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.BAD)
