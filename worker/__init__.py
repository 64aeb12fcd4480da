"""The worker: bytes in, answers out. Run it with ``celery -A worker worker``.

Importing this (as Flower and ``celery inspect`` do too) loads no network and no runtime. Reading
order: `celery` (the application), `task` (what is called by name), `transport` (messages off the
queues), `consumer`, `neighbours`, `request` and `strategy` (Celery's checks), `step` (start, stop),
`reception` (in, and what became of it), `job` (what is handed on), `room` (decoding and passes),
`lanes` (of the engine in use), `switch` and `control` (another model while it runs),
`batcher`, `twins` (identical captchas), `suspects` (what came back), `writer` (results), `bell` and
`events` (back to the hub thread, and out to monitors), `beacon` and `health` (signs of life),
`metrics`.
"""

# `celery control` and `celery inspect` know the commands that are imported with the application.
from worker import control as control
from worker.celery import app

__all__ = ["app"]
