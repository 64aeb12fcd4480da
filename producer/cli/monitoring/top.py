"""The command ``tilefleet top``."""

import click

from tilefleet.settings import Settings


@click.command()
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, show_default=True)
@click.option("--once", is_flag=True, help="One look, printed; for scripts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per look.")
def top(every: float, once: bool, as_json: bool) -> None:
    """Watch the fleet: workers, rate, queues, passes, latencies, errors."""
    from producer.monitoring import screen

    screen.run(Settings.from_environ(), every_s=every, once=once, as_json=as_json)
