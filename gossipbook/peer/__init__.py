"""The peer core: gossip and the pairs of one participant, composed; still pure.

:class:`~gossipbook.peer.peer.Peer` takes events (a link came up, a message, a timer, an op from this program)
and returns effects; drivers perform them. It routes by topic and pair, turns publications into gossip, and
counts what remotes do wrong against the link that brought it.
:class:`~gossipbook.peer.pair_replica.PairReplica` ties one pair's op set, engine and consensus together.
:mod:`acks` follows ops from durable to certified. :mod:`checks` tells a driver which signatures a message will
be judged by, so that they are verified on a thread before the core sees the message. :mod:`arrivals` remembers how the
latest ops came, and :mod:`explaining` says what a pending one waits for: for people, and nothing is decided by them.

Bounds: followed ops and their followers (``acks``), remembered arrivals (``arrivals``), recent bodies
(``exchange``), payload hashes (``peer``).
"""
