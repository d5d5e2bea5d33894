"""The system calls of a traced process, in the order in which strace saw them begin and end.

A call whose line is whole began and ended with no other traced call between. One that strace shows as unfinished and
resumed began at the first line and ended at the second: a sync holds from its end on, a send may be on the wire
from its beginning.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYSCALLS = (
    "openat,close,dup,dup2,dup3,unlink,unlinkat,rename,renameat,renameat2,ftruncate,truncate,fallocate,mkdir,"
    "write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,msync,sendto,sendmsg,sendmmsg,sendfile"
)
OPTIONS = ["-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "200000", "-e", f"trace={SYSCALLS}", "-e", "signal=none"]

_WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)", re.DOTALL)
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*?),? <unfinished \.\.\.>$", re.DOTALL)
_ENDED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)", re.DOTALL)
_FD = re.compile(r"^(-?\d+|AT_FDCWD)(?:<(.*?)>)?$")
_STRING = re.compile(r'^"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?$')


@dataclass
class Call:
    """One system call. ``arguments`` are as strace prints them; ``result`` is None until it has ended."""

    name: str
    arguments: list[str]
    result: int | None = None

    def named(self, place: int = 0) -> str:
        """What a file descriptor stands for: a path, or ``socket:[inode]``."""
        match = _FD.match(self.arguments[place])
        assert match is not None, self.arguments[place][:80]
        return "" if match[2] is None else _unhex(match[2]).decode(errors="surrogateescape")

    def text(self, place: int) -> bytes:
        """The bytes of a string argument."""
        match = _STRING.match(self.arguments[place])
        assert match is not None, f"not a string: {self.arguments[place][:80]}"
        assert match[2] is None, "strace cut a string short"
        return _unhex(match[1])

    def number(self, place: int) -> int:
        return int(self.arguments[place], 0)


@dataclass(frozen=True)
class Began:
    call: Call


@dataclass(frozen=True)
class Ended:
    call: Call


def read_trace(file: Path) -> Iterator[Began | Ended]:
    """Every traced call's beginning and end."""
    open_calls: dict[str, Call] = {}
    with file.open() as lines:
        for line in lines:
            line = line.rstrip("\n")
            if (match := _WHOLE.match(line)) is not None:
                call = Call(match[2], _split(match[3]))
                yield Began(call)
                yield _end(call, match[4])
            elif (match := _BEGUN.match(line)) is not None:
                call = open_calls[match[1]] = Call(match[2], _split(match[3]))
                yield Began(call)
            elif (match := _ENDED.match(line)) is not None:
                call = open_calls.pop(match[1])
                assert call.name == match[2]
                call.arguments += _split(match[3])
                yield _end(call, match[4])


def _end(call: Call, result: str) -> Ended:
    call.result = -1 if result == "?" else int(result)
    return Ended(call)


def _split(text: str) -> list[str]:
    """Arguments; strings are all in hexadecimal, so that a comma always separates."""
    return [part.strip() for part in text.split(", ") if part.strip()]


def _unhex(text: str) -> bytes:
    if text.startswith("\\x"):
        return bytes.fromhex(text.replace("\\x", ""))
    return text.encode()
