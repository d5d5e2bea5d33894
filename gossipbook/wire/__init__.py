"""The wire: frames of length-prefixed messages, each a CBOR array; the handshake; all without I/O.

Bytes from a remote are checked in this order: frame and message size, then CBOR of our narrow kind (arrays,
integers, byte strings, text, booleans, null; no maps, tags, floats, indefinite lengths; depth 16; one encoding
a value), then the kind, the number of fields, and each field's type and size. Anything else is a
:class:`~gossipbook.errors.DecodeError`, and nothing but that comes out.

:mod:`fields` are the building blocks, :mod:`codec` lists every message's layout under its kind number,
:mod:`framing` joins and splits frames, :mod:`handshake` proves to both sides who is there, over which channel,
in which network.

What is signed travels as a byte string inside its message and is verified over exactly those bytes; votes are
the exception, rebuilt from their fields in one layout (:mod:`gossipbook.consensus.committee`). Golden vectors
of every kind are in ``tests/vectors``.
"""
