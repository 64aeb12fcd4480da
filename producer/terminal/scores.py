"""A model's scores as people read them: tables."""

from collections.abc import Mapping

from models.evaluation.intervals import interval
from models.evaluation.score import MOST_CONFUSIONS, Score


def show_score(model: str, score: Score) -> str:
    """Some lines of text, without a line end."""
    rows = [
        ("words right", _of(score.words_right, score.words)),
        ("exactly right", _of(score.exact, score.captchas)),
        ("tiles rightly picked or left", f"{score.tiles_right:.1%}"),
    ]
    rows += [
        (
            f"confidence ≥ {level.threshold:g}",
            f"{level.coverage:.0%} of the answers, "
            + ("none" if level.precision is None else f"{level.precision:.1%} exactly right"),
        )
        for level in score.selective
    ]
    rows.append(("calibration error", f"{score.calibration_error:.3f}"))
    if score.strange:
        rows.append(
            ("word that is no label, confidence < 0.5", _of(score.strange_doubted, score.strange))
        )
    if score.confusions:
        pairs = ", ".join(
            f"{shown} as {seen}" + (f" ×{times}" if times > 1 else "")
            for shown, seen, times in score.confusions[:MOST_CONFUSIONS]
        )
        rows.append(("not recognised", pairs))
    rows.append(("median time, decoding and pass", f"{score.ms:.2f} ms"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{model}, {score.captchas} captchas"]
    return "\n".join(lines + [f"  {name:<{width}}  {value}" for name, value in rows])


def show_table(rows: Mapping[str, Score]) -> str:
    """A line for each score, without a line end."""
    table = [("", "words", "exactly right, of 95 % the span", "at confidence ≥ 0.9", "doubted")]
    for name, score in rows.items():
        at = next(level for level in score.selective if level.threshold == 0.9)
        right = "" if at.precision is None else f", {at.precision:.1%} of them right"
        table.append(
            (
                name,
                f"{score.words_right} of {score.words}" if score.words else "-",
                interval(score.exact, score.captchas) if score.captchas else "-",
                f"{at.coverage:.0%}{right}" if score.captchas else "-",
                f"{score.strange_doubted} of {score.strange}" if score.strange else "-",
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _of(count: int, all_of_them: int) -> str:
    share = f" ({count / all_of_them:.1%})" if all_of_them else ""
    return f"{count} of {all_of_them}{share}"
