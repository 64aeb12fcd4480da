"""How the log looks: text for people, or one JSON object a line for programs (`TILEFLEET_LOG`).

::

    {"time": "2026-01-31T12:00:00.123Z", "level": "WARNING", "logger": "worker.celery",
     "message": "celery@host takes captchas", "process": 17, "task": "…", "error": "…"}

`task` is on every line about a task; `error` has the traceback where there is one. Images are never
logged: who writes a line says sizes.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Final

#: Longest message and traceback, characters.
_LONGEST: Final = 10_000
#: A task in Celery's own lines, and in ours: ``worker.solve[…]``.
_TASK: Final = re.compile(r"\[([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\]")


class JsonFormatter(logging.Formatter):
    """One object a line, whatever is in the message."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": message[:_LONGEST],
            "process": record.process,
        }
        if (task := task_of(record, message)) is not None:
            line["task"] = task
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)[-_LONGEST:]
        return json.dumps(line, ensure_ascii=False, default=str)


def task_of(record: logging.LogRecord, message: str) -> str | None:
    """The id of the task that a line is about: as it says, as Celery says, or in the text."""
    task = getattr(record, "task", None)
    if task is None and isinstance(data := getattr(record, "data", None), dict):
        task = data.get("id")
    if task is None and (found := _TASK.search(message)):
        task = found[1]
    return None if task is None else str(task)


def configure(form: str) -> None:
    """To the standard error; does nothing where somebody has set up logging. `form`: text or json.

    Warnings of libraries are lines too.
    """
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(handlers=[handler])
    logging.captureWarnings(True)
