"""Errors in results, whoever stored them: the same class is raised, by Celery and our clients."""

import importlib
import json

import pytest
from celery import Celery

from producer.client import message
from tilefleet import errors

#: As a worker stored it when the errors were in `models.errors`, and as one does today.
STORED = (
    b'{"status": "FAILURE", "result": {"exc_type": "NotAnImage", "exc_message": ["6 bytes: html"], '
    b'"exc_module": "%b"}, "traceback": "NotAnImage(\'6 bytes: html\')", "children": [], '
    b'"date_done": "2026-11-20T08:00:00.000000+00:00", "task_id": "an-id"}'
)


@pytest.fixture
def backend():
    app = Celery("stored", backend="cache+memory://", set_as_current=False)
    yield app.backend
    app.close()


@pytest.mark.parametrize("module", [b"models.errors", b"tilefleet.errors"])
def test_a_stored_error_is_raised_as_its_class(backend, module):
    # Celery looks for a class among what is imported; who catches one has imported it.
    importlib.import_module(module.decode())
    text = STORED % module
    found = backend.decode_result(text)["result"]
    assert type(found) is errors.NotAnImage
    assert str(found) == "6 bytes: html"
    with pytest.raises(errors.NotAnImage, match="6 bytes: html"):
        message.outcome(json.loads(text))


def test_every_class_of_the_tree_can_be_stored_and_comes_back(backend):
    classes = [getattr(errors, name) for name in dir(errors)]
    classes = [
        each for each in classes if isinstance(each, type) and each.__module__ == "tilefleet.errors"
    ]
    assert len(classes) > 20
    for each in classes:
        stored = json.loads(json.dumps(backend.prepare_exception(each("why, and 5"))))
        again = backend.exception_to_python(stored)
        assert (type(again), str(again)) == (each, "why, and 5")
        with pytest.raises(each):
            message.outcome({"status": "FAILURE", "result": stored})
