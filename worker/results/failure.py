"""A failure that is stored though the message's own wishes cannot be trusted."""

import logging
from typing import Any

from celery.utils.objects import Bunch
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def store(backend: Any, task_id: str, error: Exception) -> bool:
    """Store it without links, chains and chords; False if the store is away: try again."""
    request = Bunch(
        name=None, chord=None, errbacks=None, root_id=None, correlation_id=None, reply_to=None
    )
    about = {"task": task_id}
    try:
        backend.mark_as_failure(task_id, error, request=request)
    except (RedisError, OSError, RuntimeError) as trouble:
        logger.error("Failure of %s could not be stored: %s", task_id, trouble, extra=about)
        return False
    except Exception as trouble:
        # Of any class: trying again would not help, and it must not end the worker.
        logger.error("Failure of %s cannot be stored: %s", task_id, trouble, extra=about)
    return True
