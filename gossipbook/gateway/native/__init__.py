"""The native API: ``/v1`` over HTTP, described by OpenAPI, and ``/v1/stream`` over a socket, described by AsyncAPI.

Amounts are decimal text, times are milliseconds, and what goes wrong is told by RFC 9457 with a fixed ``code``. An
order under a ``text_id`` may be placed again, whatever became of the first request: it is the same order.
"""
