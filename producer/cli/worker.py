"""The command ``tilefleet worker``."""

import os
import sys

import click

from tilefleet import in_the_way
from tilefleet.errors import SettingError


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "-n",
    "--processes",
    type=click.IntRange(0, 1024),
    help="How many workers; 0: one for each core, one in all on a GPU. TILEFLEET_PROCESSES if "
    "not given.",
)
@click.argument("options", metavar="[CELERY_OPTION]…", nargs=-1, type=click.UNPROCESSED)
def worker(processes: int | None, options: tuple[str, ...]) -> None:
    """Start workers here, one for each core, under one supervisor.

    Each CELERY_OPTION is one of "celery worker" (--hostname for the workers' name; -n is taken).
    One that ends by itself is started again. TILEFLEET_METRICS and TILEFLEET_HEALTH are for all of
    them.
    """
    for each in options:
        if each in ("-n", "--processes") or each.startswith("--processes="):
            raise click.UsageError(
                f"{each.partition('=')[0]} goes in front of the options of celery worker: "
                "tilefleet worker -n 2 …; --hostname names the workers"
            )
    if hidden := in_the_way("worker", "models"):
        raise SettingError(hidden)
    environ = dict(os.environ)
    if processes is not None:
        environ["TILEFLEET_PROCESSES"] = str(processes)
    # -P: what is in this folder does not go before what is installed.
    command = [sys.executable, "-P", "-m", "worker.supervisor", *options]
    os.execve(sys.executable, command, environ)
