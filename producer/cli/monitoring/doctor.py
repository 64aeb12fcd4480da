"""The command ``tilefleet doctor``."""

import json
import sys

import click

from producer.terminal import verbosity
from producer.terminal.options import MODEL, POSITIVE


@click.command()
@click.option("--gateway", metavar="URL", help="The gateway to look at; else the one on port 8000.")
@click.option(
    "--timeout",
    type=POSITIVE,
    default=10.0,
    show_default=True,
    help="Seconds to wait for the answer to a captcha.",
)
@click.option("--model", type=MODEL, metavar="NAME", help="Which one answers; none: the default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def doctor(gateway: str | None, timeout: float, model: str | None, as_json: bool) -> None:
    """Check the whole road of a captcha, and say what to do.

    A line for each thing that has to be right: Python, extras, settings, model, server, its
    version, rights, eviction, memory and clock, workers, the answer to a captcha, gateway. Exit
    code 1 if any fails.
    """
    from producer.doctor.check import FAIL, OK
    from producer.doctor.examine import examine

    failed = 0
    for check in examine(gateway=gateway, timeout_s=timeout, model=model):
        failed += check.state == FAIL
        if as_json:
            click.echo(json.dumps(check.encode(), ensure_ascii=False))
        elif check.state != OK or not verbosity.is_quiet():
            click.echo(check.line())
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
