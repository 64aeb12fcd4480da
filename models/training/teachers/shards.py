"""Shards, made by processes side by side, each with a maker of its own."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any


def make_all(
    maker: Callable[..., Callable[[Any], None]],
    arguments: Sequence[Any],
    missing: Sequence[Any],
    *,
    say: Callable[[str], None],
) -> None:
    """Have what `maker` gives for these `arguments` called with each of `missing`, in as many
    processes as there are cores; all of these can be pickled."""
    if len(missing) == 1:
        # Sooner made than a process is started that loads Keras.
        maker(*arguments)(missing[0])
        return
    workers = min(len(missing), os.cpu_count() or 1)
    # Spawned: TensorFlow does not survive a fork.
    with multiprocessing.get_context("spawn").Pool(workers, _begin, (maker, arguments)) as pool:
        for done, _ in enumerate(pool.imap_unordered(_make, missing), 1):
            if done % 10 == 0 or done == len(missing):
                say(f"{done} of {len(missing)} shards")


_make_one: Callable[[Any], None] | None = None


def _begin(maker: Callable[..., Callable[[Any], None]], arguments: Sequence[Any]) -> None:
    global _make_one
    # Ctrl-C is the business of who began this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from models.runtimes.installed import choose_keras_backend

    choose_keras_backend()
    _make_one = maker(*arguments)


def _make(shard: Any) -> None:
    assert _make_one is not None
    _make_one(shard)
