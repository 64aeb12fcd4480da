"""Celery alone: any Celery application sends by the task's name, without this package.

python examples/plain_celery.py captcha.jpg
"""

import os
import sys
from pathlib import Path

from celery import Celery

url = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
app = Celery(broker=url, backend=url)
app.conf.task_serializer = "msgpack"  # bytes stay bytes; JSON, the default, works as well

if len(sys.argv) != 2:
    sys.exit(__doc__)
image = Path(sys.argv[1]).read_bytes()

# Not read any more after a minute: nobody waits that long. No picture in logs or in Flower.
result = app.send_task(
    "worker.solve", (image,), queue="captcha", expires=60, argsrepr=f"(<{len(image)} bytes>)"
)
print("picks", *result.get(timeout=30)["picks"])

# A list, when nobody waits for others; what cannot be read is an error in its place.
listed = app.send_task("worker.solve_many", ([image, b"no captcha"],), queue="captcha.bulk")
for outcome in listed.get(timeout=30):
    if "error" in outcome:
        print("error", outcome["error"]["type"])
    else:
        print("picks", *outcome["picks"])
