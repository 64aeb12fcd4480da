"""The types that Celery relies on: a field is taken as Celery writes it and refused otherwise."""

from types import SimpleNamespace

import pytest

from tilefleet.errors import BadMessage
from worker.intake import validation

HEADERS = {"task": "worker.solve", "id": "an-id"}
BODY = [[b"image"], {}, None]

GOOD = {
    "shadow": ["name"],
    "root_id": ["id"],
    "parent_id": ["id"],
    "group": ["id"],
    "taskset": ["id"],
    "headers": [{}, {"a": 1}],
    "retries": [0, 3],
    "timelimit": [[None, None], (1, 2.5)],
    "stamped_headers": [[], ["a"]],
    "stamps": [{}],
    "callbacks": [[], [{"task": "t"}], [{"task": "t", "args": [], "kwargs": {}, "options": {}}]],
    "errbacks": [[{"task": "t"}]],
    "chain": [[{"task": "t"}]],
    "chord": [{"task": "t"}],
}
#: For every field, what it must not be.
BAD = {
    "task": ["", 5, "a\nb", "x" * 201, "\ud800"],
    "id": ["", 5, None, "x" * 201],
    "args": ["text", 5, None],
    "kwargs": [[], 5, None],
    "shadow": [5, ""],
    "root_id": [5],
    "parent_id": [{}],
    "group": [[]],
    "taskset": [1.5],
    "headers": [[], "text"],
    "retries": ["1", 1.5],
    "timelimit": [5, [1], [1, 2, 3], ["1", None]],
    "stamped_headers": ["text", [5]],
    "stamps": [[]],
    "callbacks": ["text", [5], [{"task": 5}], [{"task": "t", "args": 5}], {"task": "t"}],
    "errbacks": [[{}]],
    "chain": [[{"task": "t", "kwargs": []}]],
    "chord": [[], "text", {"task": "t", "options": []}],
}


def test_a_captcha_s_message_is_a_task():
    validation.check(HEADERS, BODY)
    validation.check({}, {**HEADERS, "args": [b"image"], "kwargs": {}})


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in GOOD.items() for v in vs])
def test_what_celery_writes_is_taken(name, value):
    validation.check({**HEADERS, name: value}, BODY)
    # Nothing is what most of them are.
    validation.check({**HEADERS, name: None}, BODY)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in BAD.items() for v in vs])
def test_another_type_is_refused_with_the_field_s_name(name, value):
    headers, body = {**HEADERS, name: value}, BODY
    if name in ("args", "kwargs"):
        headers, body = {}, {**HEADERS, "args": [], "kwargs": {}, name: value}
    with pytest.raises(BadMessage, match=f"its {name} cannot be used"):
        validation.check(headers, body)


def test_every_field_that_is_checked_is_tried_here():
    assert BAD.keys() == validation._FIELDS.keys()
    assert GOOD.keys() == validation._FIELDS.keys() - validation._NEEDED


@pytest.mark.parametrize("headers", [None, "text", [], 5])
def test_headers_are_a_mapping(headers):
    with pytest.raises(BadMessage, match="its headers are"):
        validation.check(headers, BODY)


@pytest.mark.parametrize("body", [None, "text", [], [[], {}], [[], {}, None, 5], 5])
def test_a_body_is_arguments_and_what_else_to_do(body):
    with pytest.raises(BadMessage, match="its body is not"):
        validation.check(HEADERS, body)


@pytest.mark.parametrize(
    "name", ["update", "_children", "__class__", "outcome", "as_execution_options"]
)
def test_no_field_takes_the_place_of_what_is_celery_s_own(name):
    with pytest.raises(BadMessage, match="Celery's own"):
        validation.check({**HEADERS, name: 1}, BODY)


def test_a_message_without_a_task_and_one_with_a_strange_field_are_refused():
    with pytest.raises(BadMessage, match="names no task"):
        validation.check({"id": "an-id"}, BODY)
    with pytest.raises(BadMessage, match="name is no text"):
        validation.check({**HEADERS, 5: 5}, BODY)


def message(**fields):
    return SimpleNamespace(**{"body": b"x", "content_type": "application/json", **fields})


def test_only_bodies_that_are_text_of_a_type_for_tasks_are_decoded():
    assert validation.unpack(message(payload=BODY)) == BODY
    with pytest.raises(BadMessage, match="its body is dict"):
        validation.unpack(message(body={}))
    for kind in (None, "", "application/data", "application/text"):
        with pytest.raises(BadMessage, match="content type"):
            validation.unpack(message(content_type=kind))
