"""The exceptions of gossipbook.

Each says whose fault it is. A remote's misbehaviour is a :class:`DecodeError` or a value inside a core,
never any other exception. A refused order is a ``RejectReason`` in an event, not an exception. What is
left is the environment (files, disks, ports) and local misuse, raised by shells only, naming the mend.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class GossipbookError(Exception):
    """Base of every exception that gossipbook raises on purpose."""


class DecodeError(GossipbookError):
    """Bytes from a remote or a file that do not follow the format. No state was changed."""


class TooLarge(GossipbookError):
    """A message that would be larger than peers take. It was not sent."""


class ManifestError(GossipbookError):
    """A network manifest that is malformed or contradicts itself. Names the key and the mend."""


class ConfigError(GossipbookError):
    """A local setting that is unknown, out of range or contradicts another one."""


class Unavailable(ConfigError):
    """A port, a folder, a disk or a peer that this machine does not have for us now."""


class WrongLoop(ConfigError):
    """A call under an event loop that its face is not for; names the faces and what each is for."""


class ScenarioError(GossipbookError):
    """A simulation scenario with an unknown key or a value that cannot be. Names the line and the nearest right key."""


class KeyFileError(GossipbookError):
    """A key file that is missing, malformed, or readable by others than its owner."""


class WalletError(GossipbookError):
    """A wallet could not record an op, which therefore was not signed into the world."""


class FolderLocked(GossipbookError):
    """Another process already runs on this data folder."""


class JournalError(GossipbookError):
    """The journal cannot be used: corrupt, truncated, of another network, or of a newer schema."""


class JournalFull(JournalError):
    """The disk refused a write. Nothing that depended on it has left this peer."""


class HandshakeError(GossipbookError):
    """A link was refused during the handshake; ``reason`` is one of the wire's fixed words."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class LinkClosed(GossipbookError):
    """The link to a peer ended while it was in use."""


class NoAnswer(GossipbookError):
    """No peer answered in time."""


class NotKnown(GossipbookError):
    """What became of something is not known yet."""


class SubmitRefused(GossipbookError):
    """An op was refused, and changed nothing; ``reason`` is a fixed word that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PeerFault(GossipbookError):
    """A fault of this program in a peer's core or journal. The peer ends at once; its disk is as it was before."""


class VerifyError(GossipbookError):
    """An export or a receipt that does not prove what it claims."""


@contextmanager
def ungrouped() -> Iterator[None]:
    """Let the one error inside the groups that nurseries make go on by itself, so that it can be caught by its type."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if error is group:
            raise
        raise error from error.__cause__
