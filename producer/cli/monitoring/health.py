"""The command ``tilefleet health``."""

import sys

import click

from producer.terminal.options import POSITIVE
from tilefleet.health import STALE_S
from tilefleet.settings import Settings


@click.command()
@click.option("--live", is_flag=True, help="Only whether it lives, ready or not.")
@click.option(
    "--stale",
    type=POSITIVE,
    default=STALE_S,
    show_default=True,
    help="How old a worker's heartbeat may be, seconds.",
)
@click.option("--gateway", metavar="URL", help="Ask a gateway instead.")
@click.option(
    "--timeout",
    type=POSITIVE,
    default=3.0,
    show_default=True,
    help="With --gateway: seconds to wait.",
)
def health(live: bool, stale: float, gateway: str | None, timeout: float) -> None:
    """Exit code 0 if the worker here is ready and alive, else 1.

    For containers. The worker shows it in the folder TILEFLEET_HEALTH, which it has for itself.
    """
    from producer.monitoring.health import folder_of, of_gateway, of_worker

    if gateway:
        found = of_gateway(gateway, ready=not live, timeout_s=timeout)
    else:
        folder = folder_of(Settings.from_environ().health)
        found = of_worker(folder, ready=not live, stale_s=stale)
    click.echo(("healthy: " if found.good else "unhealthy: ") + found.why, err=not found.good)
    sys.exit(0 if found.good else 1)
