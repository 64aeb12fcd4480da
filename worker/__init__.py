"""The worker: bytes in, answers out. Run it with ``celery -A worker worker``.

Importing this (as Flower and ``celery inspect`` do too) loads no network and no runtime. Reading
order: `celery` (the application), `task` (what is called by name), `strategy` (messages to the
engine room), `step` (its start, stop and the hub thread's side), `job` (what is handed on), `room`
(decoding and passes), `batcher`, `twins` (identical captchas), `writer` (results), `bell` and
`events` (back to the hub thread, and out to monitors).
"""

from worker.celery import app

__all__ = ["app"]
