"""Remote-control commands: ``celery -A worker control use_model NAME`` and ``inspect model``.

They run on the hub thread, so they only begin and only tell; `tilefleet models use` waits for what
becomes of it.
"""

from typing import TYPE_CHECKING, Any

from celery.worker.control import control_command, inspect_command

from tilefleet.errors import ModelError

if TYPE_CHECKING:
    # Flower reads the names of the commands, and has no NumPy.
    from worker.engine_room.switch import Switch


@control_command(args=[("name", str)], signature="NAME")
def use_model(state: Any, name: str) -> dict[str, Any]:
    """Load another model beside the running one, then read with it."""
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
    """Which model reads, and how the last change of model went."""
    switch = _switch(state)
    return {} if switch is None else switch.encode()


def _switch(state: Any) -> "Switch | None":
    """With a pool of processes, models are in these."""
    return getattr(state.consumer.controller, "model_switch", None)
