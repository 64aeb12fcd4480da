"""``tilefleet bench``: what to send, the run, what is shown of it."""

import json
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

import click

from producer.bench import load
from producer.bench import report as bench_report
from producer.bench.load import Plan, Tally
from producer.monitoring.watch import View, Watch
from producer.terminal import inputs
from producer.terminal.group import STOPPED
from producer.terminal.progress import Progress
from tilefleet import report
from tilefleet.errors import FleetUnreachable, WrongSize
from tilefleet.figures import Figures
from tilefleet.settings import Settings

#: Captchas that are in the package: those of the gateway's page.
_SAMPLES: Final = Path(__file__).resolve().parents[1] / "gateway" / "site" / "sample-*.jpg"
#: Pictures that are held in memory.
_MOST: Final = 1000


def run(
    files: tuple[str, ...],
    *,
    clients: int,
    rate: float | None,
    seconds: float,
    duplicates: float,
    bad: float,
    timeout: float,
    seed: int,
    model: str | None,
    as_json: bool,
    picture: Path | None,
) -> int:
    """Gives the exit code; raises TilefleetError."""
    if duplicates + bad > 1:
        raise click.UsageError(f"--duplicates {duplicates:g} and --bad {bad:g} are more than 1")
    if picture is not None:
        _check_picture(picture)
    plan = Plan(
        pictures=_pictures(files),
        seconds=seconds,
        clients=clients,
        rate=rate or 0.0,
        duplicates=duplicates,
        bad=bad,
        timeout=timeout,
        seed=seed,
        model=model,
    )
    tally, stopped = Tally(), False
    with Watch(Settings.from_environ()) as watch:
        before = watch.look()
        with Progress() as progress:
            try:
                load.measure(plan, tally, watch=lambda: progress.tell(lambda: _line(plan, tally)))
            except KeyboardInterrupt:
                stopped = True
        after, figures = _figures(watch, before)
    if as_json:
        shown = bench_report.as_object(plan, tally, len(after.workers), figures)
        click.echo(json.dumps(shown, ensure_ascii=False))
    else:
        click.echo(bench_report.as_text(plan, tally, len(after.workers), figures))
    if (others := tally.errors[WrongSize.__name__]) > tally.answered:
        click.echo(
            f"tilefleet: {others:,} were no captchas of the model's kind; name some that are: "
            "tilefleet bench DIR",
            err=True,
        )
    if picture is not None:
        try:
            bench_report.draw(plan, tally, picture)
        except OSError as error:
            click.echo(f"tilefleet: --picture {picture}: {error.strerror}", err=True)
            return 1
    if stopped:
        return STOPPED
    return 0 if tally.answered else 1


def _figures(watch: Watch, before: View) -> tuple[View, Figures | None]:
    """What the workers counted since `before`; their next lines have the last of it."""
    try:
        sleep(1.5 * report.EVERY_S)
        after = watch.look()
    except (FleetUnreachable, KeyboardInterrupt):
        return before, None
    each = [
        now.figures.since(before.workers[name].figures) if name in before.workers else now.figures
        for name, now in after.workers.items()
    ]
    return after, Figures.total(each) if each else None


def _pictures(files: tuple[str, ...]) -> list[bytes]:
    """Raises UsageError and OSError."""
    pictures = []
    for captcha in inputs.expand(files or [str(_SAMPLES)]):
        try:
            pictures.append(captcha.read())
        except OSError as error:
            raise click.UsageError(f"{captcha.name}: {error.strerror}") from None
        if len(pictures) == _MOST:
            break
    return pictures


def _check_picture(path: Path) -> None:
    """Before ten seconds of load, not after: a format that it knows, a folder that is there."""
    from matplotlib.figure import Figure

    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in known:
        raise click.UsageError(f"--picture {path}: name it .png, .svg or .pdf")
    if not path.parent.is_dir():
        raise click.UsageError(f"--picture {path}: there is no folder {path.parent}")


def _line(plan: Plan, tally: Tally) -> str:
    if not tally.began:
        return "the first captcha is on its way"
    passed = perf_counter() - tally.began
    rate = tally.answered / passed if passed else 0.0
    parts = [f"{min(passed, plan.seconds):.0f} of {plan.seconds:g} s", f"{rate:,.0f} captchas/s"]
    if passed > plan.seconds:
        parts.append("waiting for the last answers")
    if tally.errors:
        parts.append(f"{tally.errors.total():,} failed")
    return "  ".join(parts)
