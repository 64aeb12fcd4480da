"""Bytes in, answers out: ``celery -A worker worker``. May import `tilefleet` and `models`.

Importing this (as Flower and ``celery inspect`` do too) loads no network and no runtime. `celery`
is the application, `task` what is called by name, `control` the remote commands, `bootstep` start
and stop. Rooms, each may import those before it:

    engine_room   decoding and passes, in memory: no Celery, no Redis
    transport     messages off the queues, many at once
    results       outcomes into the result store
    intake        messages to requests
    hub           admits requests, concludes them
    monitoring    signs of life and figures
"""

# `celery control` and `celery inspect` know the commands that are imported with the application.
from worker import control as control
from worker.celery import app

__all__ = ["app"]
