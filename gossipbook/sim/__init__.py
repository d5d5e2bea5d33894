"""Peer cores on virtual time: the second driver. The same cores, the same bytes, one seed."""
