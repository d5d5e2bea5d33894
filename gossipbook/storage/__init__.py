"""What outlives a process: the journal, keys, the peer's folder and its lock, authors' wallets.

:mod:`rows` says what a journal stores and reads a peer's state back, every row checked against its own hash;
:mod:`sqlite` keeps rows on disk and :mod:`memory` in memory. Both know the difference between written and synced.
:mod:`archive` keeps the events of finalized blocks, which are derived from the journal and may be lost.
"""
