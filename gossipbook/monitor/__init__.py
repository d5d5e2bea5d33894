"""What watches a running peer from outside: is it alive, is it ready and if not why, and its figures.

``/livez``, ``/readyz`` and ``/metrics`` are served on a loopback address of their own by a thread, so that a loop that
hangs is seen to hang. They answer from the first moment of a start on.

``health`` says what keeps a peer from being ready; ``figures`` turns a peer's state into Prometheus' families, with
labels that are bounded; ``server`` serves. All reads of the core happen between two of its turns.
"""
