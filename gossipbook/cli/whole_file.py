"""Files that commands write for ``-o``: whole or not at all, and never in place of what is no file."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gossipbook.errors import Unavailable


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name, or in place of an older one, only once the block has ended well.

    A link is followed; devices and pipes are written through.

    Raises:
        Unavailable: it cannot be written; says why.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            with target.open("wb") as through:
                yield through
            return
        partial = target.with_name(target.name + ".part")
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(target)
        finally:
            with suppress(OSError):
                partial.unlink()
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None
