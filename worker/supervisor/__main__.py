"""``python -m worker.supervisor [options of celery worker]``: what ``tilefleet worker`` runs.

`TILEFLEET_PROCESSES` says how many workers; what else is set, and every option, is each worker's.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from socket import gethostname
from typing import Any

from celery.utils.nodenames import default_nodename, host_format

from tilefleet import log
from tilefleet.errors import SettingError, TilefleetError
from tilefleet.files import atomic_write
from tilefleet.settings import Settings
from worker.monitoring.name import one_of, unnamed
from worker.options import WorkerOptions
from worker.supervisor.child import Child, run_worker
from worker.supervisor.health import Shown, Signs
from worker.supervisor.preload import engine, preload
from worker.supervisor.supervisor import Supervisor


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """All workers, until they are told to end; gives the exit code. Raises TilefleetError."""
    options = WorkerOptions(arguments)
    if options.mistake:
        # Before anything is loaded, and once, not by each worker.
        raise SettingError(f"{options.mistake}; celery worker --help lists what there is")
    cores = len(os.sched_getaffinity(0))
    # A card is one, and so is what loads its libraries.
    count = settings.processes or (1 if engine(settings) == "keras" else cores)
    if why := options.refusal_of_many(count) or options.refusal(settings):
        raise SettingError(why)
    preload(settings)
    # Not one that removes itself: that would be inherited.
    folder = Path(tempfile.mkdtemp(prefix="tilefleet-workers-"))
    try:
        name, nodes = _names(options, count)
        shown = Shown(settings.health, name, count)
        restarts = folder / "restarts"
        _write(restarts, 0)
        page = _page(settings, folder, count) if settings.metrics else None
        workers = []
        for number, node in enumerate(nodes, 1):
            own = [*arguments, "--hostname", node]
            if not options.has_concurrency:
                lanes = cores // count + (number <= cores % count)
                own += ["--concurrency", str(max(1, lanes))]
            signs = Signs(folder / str(number))
            environ = {
                # Of which each has its share of the cores.
                "TILEFLEET_PROCESSES": str(count),
                "TILEFLEET_HEALTH": str(signs.folder),
                "TILEFLEET_METRICS": str(_socket(folder, number)) if page else "",
            }
            workers.append((Child(node, partial(_work, own, environ, page)), signs))
        return Supervisor(
            workers,
            [Child(f"metrics of {name}", page.serve_forever)] if page else [],
            shown,
            shutdown_s=settings.shutdown_s,
            restarted=partial(_write, restarts),
        ).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _names(options: WorkerOptions, count: int) -> tuple[str, Sequence[str]]:
    """What all of them are called together, and each."""
    if not options.hostname:
        host = gethostname()
        return host, list(islice(unnamed(host), count))
    name = host_format(default_nodename(options.hostname))
    return name, [one_of(name, number) for number in range(1, count + 1)] if count > 1 else [name]


def _work(arguments: Sequence[str], environ: Mapping[str, str], page: Any) -> None:
    if page is not None:
        # The address is the page's alone.
        page.socket.close()
    run_worker(arguments, environ)


def _page(settings: Settings, folder: Path, count: int) -> Any:
    try:
        from worker.supervisor import metrics
    except ModuleNotFoundError as error:
        raise SettingError.needs("TILEFLEET_METRICS", error, "metrics") from None
    sockets = {number: _socket(folder, number) for number in range(1, count + 1)}
    return metrics.page(settings.metrics, sockets, folder / "restarts", fleet=settings.fleet)


def _socket(folder: Path, number: int) -> Path:
    return folder / f"{number}.sock"


def _write(file: Path, number: int) -> None:
    with atomic_write(file, text=True) as draft:
        draft.write(str(number))


def main() -> None:
    try:
        settings = Settings.from_environ()
        log.configure(settings.log)
        code = run(settings, sys.argv[1:])
    except TilefleetError as error:
        sys.exit(f"tilefleet: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
