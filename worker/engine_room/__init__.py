"""The inference service inside a worker: jobs in, outcomes out. May import `models`.

Knows neither Celery nor Redis. `room` runs passes, `decoding` gets captchas ready for them,
`batcher` forms them, `gathering` keeps what passes that follow each other have read, `completion`
hands it on; `held` are the models and `sessions` their engines', `coalescing` joins identical
captchas, `exclusive` reads one alone, `switch` takes another model into use, `job` is what goes
through all of these, `durations` how long it took, `tally` what was counted.
"""
