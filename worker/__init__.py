"""The worker: bytes in, answers out. Run it with ``celery -A worker worker``.

Importing this (as Flower and ``celery inspect`` do too) loads no network and no runtime. Reading
order: `celery` (the application), `task` (what is called by name), `strategy` (messages to the
engine room), `step` (its start, stop and the hub thread's side), `room` (decoding and passes),
`batcher`, `writer` (results).
"""

from worker.celery import app

__all__ = ["app"]
