"""The command ``tilefleet top``."""

import click

from producer.terminal.options import Within
from tilefleet.settings import Settings

#: As `producer.monitoring.workers` sorts; named here, so that --help needs no Rich.
ORDERS = ("name", "rate", "wait", "oldest", "failed", "up")


@click.command()
@click.argument("node", required=False)
@click.option("--every", type=Within(0.2, 60), default=1.0, show_default=True)
@click.option(
    "--sort",
    type=click.Choice(ORDERS),
    default="name",
    show_default=True,
    help="What the workers are sorted by; all but names begin with the largest.",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--once", is_flag=True, help="One look, printed; for scripts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per look.")
def top(
    node: str | None, every: float, sort: str, reverse: bool, once: bool, as_json: bool
) -> None:
    """Watch the fleet, or one of its workers, NODE.

    Of the fleet: workers, rate, lanes, passes, latencies, errors.

    Keys: s sorts by something else, r the other way round, arrows choose a worker, Enter shows it,
    Escape all of them, q ends it.
    """
    from producer.monitoring.top import Choice, run

    choice = Choice(order=sort, reverse=reverse, node=node or "", marked=node or "")
    run(Settings.from_environ(), every_s=every, once=once, as_json=as_json, choice=choice)
