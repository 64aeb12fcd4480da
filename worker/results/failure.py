"""Stores failures of messages whose links, chains and chords must not be followed."""

import logging
from typing import Any

from celery.utils.objects import Bunch
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def write(backend: Any, task_id: str, error: Exception) -> None:
    """Store it without links, chains and chords; raises what the backend raises."""
    request = Bunch(
        name=None, chord=None, errbacks=None, root_id=None, correlation_id=None, reply_to=None
    )
    backend.mark_as_failure(task_id, error, request=request)


def store(backend: Any, task_id: str, error: Exception) -> bool:
    """The same; False if the store is away: try again."""
    about = {"task": task_id}
    try:
        write(backend, task_id, error)
    except (RedisError, OSError, RuntimeError) as trouble:
        logger.error("Failure of %s could not be stored: %s", task_id, trouble, extra=about)
        return False
    except Exception as trouble:
        # Of any class: trying again would not help, and it must not end the worker.
        logger.error("Failure of %s cannot be stored: %s", task_id, trouble, extra=about)
    return True
