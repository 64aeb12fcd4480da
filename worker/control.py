"""Remote-control commands: ``celery -A worker control use_model NAME`` and ``inspect model``.

They run on the hub thread, so they only begin and only tell; `tilefleet models use` waits for what
becomes of it. Celery's own `revoke` and `revoke_by_stamped_headers` are here with bounds: Celery
remembers fifty thousand ids of any length, and any number of stamps. Its `add_consumer` and
`cancel_consumer` are here for the lanes of models, which go with those of all workers.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from celery.worker import control as celery_control
from celery.worker import state as celery_state
from celery.worker.control import control_command, inspect_command
from kombu.utils.functional import maybe_list

from tilefleet import wire
from tilefleet.errors import ModelError
from worker.intake.validation import readable

if TYPE_CHECKING:
    # Flower reads the names of the commands, and has no NumPy.
    from worker.engine_room.switch import Switch


#: Most stamps that are remembered as revoked, of each name, and most names.
_MOST_STAMPS: Final = 1000
_MOST_NAMES: Final = 100


@control_command(args=[("name", str)], signature="NAME")
def use_model(state: Any, name: str) -> dict[str, Any]:
    """Load another default model beside the running one, then read with it."""
    switch = _switch(state)
    if switch is None:
        return {"error": "this worker has no engine room: start it anew with TILEFLEET_MODEL"}
    try:
        switch.begin(str(name))
    except ModelError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ok": switch.encode()}


@inspect_command()
def model(state: Any) -> dict[str, Any]:
    """Which models are held, the default first, and how the last change of it went."""
    switch = _switch(state)
    return {} if switch is None else switch.encode()


@control_command(
    args=[("queue", str), ("exchange", str), ("exchange_type", str), ("routing_key", str)],
    signature="<queue> [exchange [type [routing_key]]]",
)
def add_consumer(state: Any, queue: str, *options: Any, **named: Any) -> Any:
    """Tell worker(s) to consume from task queue by name; with a lane, from those of its models."""
    for lane in wire.family(queue, _models(state))[1:]:
        celery_control.add_consumer(state, lane)
    return celery_control.add_consumer(state, queue, *options, **named)


@control_command(args=[("queue", str)], signature="<queue>")
def cancel_consumer(state: Any, queue: str, **named: Any) -> Any:
    """Tell worker(s) to stop consuming from task queue by name; so with the lanes of models."""
    for lane in wire.family(queue, _models(state))[1:]:
        celery_control.cancel_consumer(state, lane)
    return celery_control.cancel_consumer(state, queue, **named)


@control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(state: Any, task_id: Any, *options: Any, **named: Any) -> Any:
    """Revoke task by task id (or list of ids)."""
    ids = [each for each in maybe_list(task_id) or [] if readable(each)]
    return celery_control.revoke(state, ids, *options, **named)


@control_command(variadic="headers", signature="[key1=value1 [key2=value2 [... [keyN=valueN]]]]")
def revoke_by_stamped_headers(state: Any, headers: Any, *options: Any, **named: Any) -> Any:
    """Revoke task by header (or list of headers)."""
    if isinstance(headers, Mapping):
        headers = {
            name: [each for each in maybe_list(stamps) or [] if readable(each)]
            for name, stamps in headers.items()
            if readable(name)
        }
    done = celery_control.revoke_by_stamped_headers(state, headers, *options, **named)
    revoked = celery_state.revoked_stamps
    for name, stamps in list(revoked.items()):
        revoked[name] = list(dict.fromkeys(stamps))[-_MOST_STAMPS:]
    for name in list(revoked)[:-_MOST_NAMES]:
        del revoked[name]
    return done


def _models(state: Any) -> list[str]:
    """Names of those that this worker holds."""
    switch = _switch(state)
    return list(state.app.settings.models) if switch is None else switch.names


def _switch(state: Any) -> "Switch | None":
    """With a pool of processes, models are in these."""
    return getattr(state.consumer.controller, "model_switch", None)
