"""The inference service inside a worker: jobs in, outcomes out. May import `models`.

Knows neither Celery nor Redis. `room` decodes and runs passes, `batcher` forms them, `held` are the
models and `sessions` their engines', `coalescing` joins identical captchas, `exclusive` reads one
alone, `switch` takes another model into use, `job` is what is handed on, `durations` how long it
took, `tally` what was counted.
"""
