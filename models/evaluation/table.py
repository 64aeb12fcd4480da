"""A model on every collection of a folder of data: one row each, and one for each part of it."""

from collections.abc import Sequence
from pathlib import Path

from models import store
from models.datasets.collections import answered, is_unseen, parts, unseen_tiles
from models.engines.reader import Reader
from models.evaluation.agreement import Agreement, agreement
from models.evaluation.score import Score, outcomes
from tilefleet.settings import Settings


def measure(
    reader: Reader,
    settings: Settings,
    data: Path,
    *,
    teachers: Sequence[str] = (),
    only_unseen: bool = False,
) -> tuple[dict[str, Score], Agreement | None]:
    """The scores by collection and part, and the agreement of the settings' model with the mean of
    `teachers`, stored models, on the tiles that no training sees. `data` is of the model's kind.

    `only_unseen` leaves out captchas that trainings may see. Raises TilefleetError.
    """
    kind = reader.engine.kind
    rows: dict[str, Score] = {}
    for name, captchas in answered(data, kind).items():
        chosen = [each for each in captchas if not only_unseen or is_unseen(each)]
        read = {each.truth.path: each for each in outcomes(reader, chosen)}
        rows[name] = Score.of(list(read.values()))
        for part, some in parts(chosen).items():
            rows[f"{name}, {part}"] = Score.of([read[each.path] for each in some])
    tiles = unseen_tiles(data, kind) if teachers else None
    if tiles is None:
        return rows, None
    student, *others = (
        store.find(name, root=settings.store) for name in (settings.model, *teachers)
    )
    return rows, agreement(student, others, tiles.tiles())
