"""Several workers on one machine under one process: ``tilefleet worker -n N``.

May import all of `worker`, `models` and `tilefleet`. It loads what a worker needs once and forks
the workers, so that each costs little more memory than what it alone writes.

    supervisor   starts them, again if need be, ends them; passes signals on
    child        one worker: a forked process that runs Celery's own command
    preload      what is loaded before anything is forked
    health       the workers' signs of life, and one for all of them
    metrics      the workers' pages of metrics, as one
"""
