"""The faces for programs without trio: ``gossipbook.aio`` for asyncio, ``gossipbook.sync`` for plain programs.

There is one implementation, on trio. Upon the first ``open_client`` or ``open_peer`` of either face a daemon thread is
started that runs trio until the program ends: the *portal*. What is opened lives in it as a *session*, a task that
holds the context manager of the trio face. Each call of the caller becomes a task beside it.

    caller's thread                        portal's thread
    ───────────────                        ───────────────
    Call(work) ──run_sync_soon──────────▶  a task of the session runs work()
    waits (a threading.Event, a Future)                │
    result or error ◀──on_end──────────────────────────┘
    cancelled, or a signal: Call.cancel ─▶ the task is cancelled; the caller waits for its end, then goes on

Upon the end of a session, whether it was closed or broke down: its calls are cancelled, and every caller that waits for
one, or begins another, is told ``LinkClosed`` with the reason. Nobody waits for an answer that cannot come.

Both faces have the methods of the trio face, made from these by forwarders (``base``, ``blocking``, ``awaiting``) that
keep parameters and docstrings, so that no face can lag behind the others. A method that is awaited in the trio face
is awaited in the asyncio face, and waits in the plain one. One that is plain there is plain everywhere: the caller's
thread waits for the portal's next step, as a rule less than a millisecond.
"""
