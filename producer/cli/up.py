"""The command ``tilefleet up``."""

import sys

import click


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--flower-port", type=click.IntRange(1, 65535), default=5555, show_default=True)
@click.option("--flower/--no-flower", default=True, help="Start Flower, if it is installed.")
@click.option(
    "-c", "--concurrency", type=click.IntRange(min=1), help="Passes side by side; as many as cores."
)
def up(port: int, flower_port: int, flower: bool, concurrency: int | None) -> None:
    """Start everything here: server, worker, Flower, gateway.

    Ctrl-C ends it. The server is the one that CELERY_BROKER_URL names, else one of its own, in
    memory. Where a port is taken, a free one is used.
    """

    from producer.local.up import run

    sys.exit(run(port=port, flower_port=flower_port, flower=flower, concurrency=concurrency))
