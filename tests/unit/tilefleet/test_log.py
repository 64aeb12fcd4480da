"""A log that programs read."""

import json
import logging
import sys

from tilefleet.log import JsonFormatter

ID = "3f2a9c1e-0000-4000-8000-123456789abc"


def written(message, *args, **fields):
    record = logging.LogRecord("worker.task", logging.ERROR, "task.py", 1, message, args, None)
    record.__dict__.update(fields)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_the_task_is_what_the_line_says_what_celery_says_or_in_the_text():
    assert written("refused", task=ID)["task"] == ID
    assert written("Task received", data={"id": ID, "args": "(<3 bytes>)"})["task"] == ID
    assert written("worker.solve[%s] broke its pass", ID)["task"] == ID
    assert "task" not in written("3 messages are given back", data=7)


def test_a_traceback_stays_on_the_line_and_a_long_message_is_cut():
    try:
        raise ValueError("of\nseveral\nlines")
    except ValueError:
        line = written("x" * 50_000, exc_info=sys.exc_info())
    assert "ValueError: of\nseveral" in line["error"]
    assert len(line["message"]) == 10_000
    assert line["level"] == "ERROR"
    assert line["time"].endswith("Z")
