"""Nothing that is read can run code: no pickle, and nothing like it."""

import ast

from celery import Celery
from kombu.serialization import registry

from tests.conftest import REPOSITORY
from tilefleet import wire

UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
#: What NumPy's and Keras's readers have to be told, if anything.
SAFE = {"allow_pickle": False, "safe_mode": True}
CALLS = {"eval", "exec", "compile", "__import__"}


def test_no_module_of_ours_imports_or_calls_it():
    for package in ("models", "worker", "producer"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = set()
                if isinstance(node, ast.Import):
                    names = {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names = {(node.module or "").partition(".")[0]}
                elif isinstance(node, ast.Call):
                    if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                        names = {node.func.id}
                    for keyword in node.keywords:
                        if keyword.arg in SAFE:
                            safe = ast.literal_eval(keyword.value) is SAFE[keyword.arg]
                            assert safe, f"{path}:{node.lineno}"
                assert not names & (UNSAFE | CALLS), f"{path}:{node.lineno}"


def test_neither_side_accepts_it():
    with Celery("any", set_as_current=False) as app:
        app.conf.update(**wire.celery_settings(sentinel_master="m", key_prefix=""))
        accepted = {*app.conf.accept_content, *app.conf.result_accept_content}
        assert accepted == {"msgpack", "json"}
        sent = {app.conf.task_serializer, app.conf.result_serializer, app.conf.event_serializer}
        assert sent == {"msgpack", "json"}
    kinds = {registry.name_to_type[name] for name in accepted}
    assert kinds == {"application/x-msgpack", "application/json"}
