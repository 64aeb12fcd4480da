"""What ours is compared with: a plain Celery task that does nothing, configured alike.

``BATCHES=1`` makes it a task of celery-batches instead (an environment of its own: that package
needs an older Celery).
"""

import os
from typing import Any

from celery import Celery

from benchmarks.peers.work import ANSWER

app = Celery(
    "plain", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_BROKER_URL"]
)
app.conf.update(
    task_default_queue="plain",
    task_serializer="msgpack",
    accept_content=["msgpack", "json"],
    result_serializer="json",
    task_acks_late=True,
    worker_send_task_events=True,
    result_expires=300,
    broker_transport_options={"visibility_timeout": 60},
)

if os.environ.get("BATCHES"):
    from celery_batches import Batches

    @app.task(base=Batches, flush_every=32, flush_interval=0.1, name="plain.solve")
    def solve(requests: Any) -> None:
        for request in requests:
            app.backend.mark_as_done(request.id, ANSWER, request=request)

    app.conf.worker_prefetch_multiplier = 64
else:

    @app.task(name="plain.solve")
    def solve(image: bytes) -> Any:
        return ANSWER
