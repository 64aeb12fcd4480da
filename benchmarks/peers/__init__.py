"""Other queues' workers that do nothing, for `benchmarks.queue`; each in an environment of its own.

`contender` is what is measured, `others` are those that are not Celery's; the workers import their
own library and `work`.
"""
