"""``tilefleet models evaluate``: how right a model is."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from producer.terminal.options import FOLDER, MODEL, OUT
from tilefleet.settings import Settings


@click.command()
@click.argument("name", required=False, type=MODEL)
@click.option("--captchas", type=FOLDER, help="Folder with answers.csv.")
@click.option("--data", type=FOLDER, help="Folder of such folders, in place of one.")
@click.option("--unseen", is_flag=True, help="With --data: only what no training sees.")
@click.option(
    "--teacher",
    "teachers",
    metavar="NAME",
    type=MODEL,
    multiple=True,
    help="With --data: agree with this model, or the mean of several, on tiles that none saw.",
)
@click.option("--headers", type=click.IntRange(min=1), help="Draw so many headers of each kind.")
@click.option(
    "--fonts", type=FOLDER, multiple=True, help="With --headers: folder of font files; repeatable."
)
@click.option(
    "--report", type=OUT, help="With --captchas: folder to write figures and pictures to."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def evaluate(
    name: str | None,
    captchas: Path | None,
    data: Path | None,
    unseen: bool,
    teachers: tuple[str, ...],
    headers: int | None,
    fonts: tuple[Path, ...],
    report: Path | None,
    as_json: bool,
) -> None:
    """Count how often a model is right, and how sure it is.

    On captchas with known answers. Those that ask for a word that is no label are counted apart:
    their answers should be unsure.

    With --data, each collection is a row, by year and kind of header too where its sources.csv
    says them; shares come with the span in which the true one lies, in 95 of 100 cases. With
    --headers, words are read from drawn headers in fonts that no network was trained with (those
    of --fonts that training holds out).
    """
    if captchas is None and headers is None and data is None:
        raise click.UsageError("give --captchas FOLDER, --data FOLDER or --headers COUNT")
    if (unseen or teachers) and data is None:
        raise click.UsageError("--unseen and --teacher need --data FOLDER")
    if report is not None and captchas is None:
        raise click.UsageError("--report needs --captchas FOLDER")
    if fonts and headers is None:
        raise click.UsageError("--fonts needs --headers COUNT")
    from models.engines.reader import Reader

    settings = Settings.from_environ()
    if name:
        settings = replace(settings, models=(name,))
    reader = Reader(settings)
    shown: dict[str, Any] = {"model": reader.engine.model}
    lines: list[str] = []
    if captchas is not None:
        from models.datasets.truth import truths
        from models.evaluation.score import Score, outcomes
        from producer.terminal.scores import show_score

        found = outcomes(reader, truths(captchas, reader.engine.kind))
        score = Score.of(found)
        shown |= score.encode()
        if report is not None:
            from models.evaluation.charts import write

            write(report, reader.engine.model, found, score, reader.engine.kind)
        lines.append(show_score(reader.engine.model, score))
    if data is not None:
        from models.evaluation.table import measure
        from producer.terminal.scores import show_table

        rows, agreed = measure(reader, settings, data, teachers=teachers, only_unseen=unseen)
        shown["rows"] = {row: score.encode() for row, score in rows.items()}
        lines.append(show_table(rows))
        if agreed is not None:
            shown["agreement"] = asdict(agreed)
            lines.append(f"tiles that no training sees, with {' and '.join(teachers)}: {agreed}")
    if headers is not None:
        from models.evaluation.headers import read_headers

        shown["headers"] = read_headers(reader, headers, font_folders=fonts)
        lines += [f"{kind} headers read: {share:.1%}" for kind, share in shown["headers"].items()]
    click.echo(json.dumps(shown, ensure_ascii=False) if as_json else "\n".join(lines))
