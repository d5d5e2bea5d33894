"""Rows of a peer that are more than it tells at once: asked for page by page."""

from collections.abc import Awaitable, Callable
from typing import Final

from gossipbook.accounts.asking import PAGE_CAP
from gossipbook.gateway.rows import Row

Fetch = Callable[[str, str, int], Awaitable[list[Row]]]
"""Asks for a page: of the rows after a cursor and before another, so many at most."""

PAGES_CAP: Final = 64
"""Pages that are looked through for one question."""


async def read_pages(
    fetch: Fetch, *, after: str, before: str, count: int, wanted: Callable[[Row], bool] | None = None
) -> list[Row]:
    """So many rows in ascending order: after a cursor the first ones, without one the last ones.

    With ``wanted`` those alone of which it is true, among so many as are looked through at once.
    """
    newest = not after
    found: list[Row] = []
    for _ in range(PAGES_CAP):
        limit = PAGE_CAP if wanted else min(count - len(found), PAGE_CAP)
        rows = await fetch(after, before, limit)
        kept = [row for row in rows if wanted is None or wanted(row)]
        found = [*kept, *found] if newest else [*found, *kept]
        if len(rows) < limit or len(found) >= count:
            break
        after, before = (after, str(rows[0]["number"])) if newest else (str(rows[-1]["number"]), before)
    return found[:count]
