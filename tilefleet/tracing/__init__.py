"""Traces with OpenTelemetry, where they are asked for (`TILEFLEET_TRACES`).

`provider` makes the tracer of a process, `carrier` writes and reads W3C's ``traceparent``. Loaded
where something is traced only. May import the standard library and OpenTelemetry.
"""


def missing(error: ModuleNotFoundError) -> str:
    """What to say where something is to be traced, and OpenTelemetry is not installed."""
    return f"TILEFLEET_TRACES needs {error.name}: pip install 'tilefleet[tracing]'"
