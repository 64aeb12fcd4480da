"""Traces with OpenTelemetry, where they are asked for (`TILEFLEET_TRACES`).

`provider` makes the tracer of a process, `carrier` writes and reads W3C's ``traceparent``. Loaded
where something is traced only. May import the standard library and OpenTelemetry.
"""
