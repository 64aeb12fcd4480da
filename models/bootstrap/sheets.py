"""A contact sheet for each label: its surest pictures first, the doubtful ones last."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.drawing import fonts
from tilefleet.kind import BUILTIN, Kind

_COLUMNS, _ROWS = 12, 10
#: Around a picture: to the right, and below, where it says how sure it is.
_BESIDE, _BELOW = 5, 17
_TITLE = 30
_GREEN, _AMBER, _RED = (0, 120, 60), (180, 110, 0), (190, 0, 0)


def write(
    folder: Path,
    pictures: NDArray[np.uint8],
    labels: NDArray[np.float32],
    kind: Kind = BUILTIN,
) -> int:
    """Draw ``LL_label.jpg`` for every label that some group has; returns how many.

    `pictures`: uint8 (groups, h, w, 3), RGB; `labels`: float32 (groups, labels). A label with more
    groups than fit shows the surest half and the most doubtful half. Sheets of an earlier run go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    font = fonts.BOLD if kind == BUILTIN else fonts.faces((), kind)[0][0]
    for old in folder.glob("[0-9][0-9]*_*.jpg"):
        old.unlink()
    best, probability = labels.argmax(axis=1), labels.max(axis=1)
    drawn = 0
    for index, label in enumerate(kind.labels):
        groups = np.flatnonzero((best == index) & (probability > 0))
        if not len(groups):
            continue
        groups = groups[np.argsort(-probability[groups], kind="stable")]
        many = len(groups)
        if many > _COLUMNS * _ROWS:
            half = _COLUMNS * _ROWS // 2
            groups = np.concatenate([groups[:half], groups[-half:]])
        title = f"{label}  {many} ({int((probability[groups] >= 0.8).sum())} of {len(groups)} sure)"
        sheet = _draw(title, pictures[groups], probability[groups], font)
        # What is no name of a file is one that can be read beside the title.
        name = label.replace("/", "_").replace("\0", "_")
        sheet.save(folder / f"{index:02d}_{name}.jpg", quality=88)
        drawn += 1
    return drawn


def _draw(
    title: str, pictures: NDArray[np.uint8], probability: NDArray[np.float32], font: Path
) -> Image.Image:
    height, width = pictures.shape[1:3]
    wide, high = width + _BESIDE, height + _BELOW
    rows = -(-len(pictures) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * wide + 5, _TITLE + rows * high), "white")
    pen = ImageDraw.Draw(sheet)
    large, small = ImageFont.truetype(font, 18), ImageFont.truetype(font, 11)
    pen.text((5, _TITLE / 2), title, "black", font=large, anchor="lm")
    for place, (picture, sure) in enumerate(zip(pictures, probability, strict=True)):
        x, y = 5 + place % _COLUMNS * wide, _TITLE + place // _COLUMNS * high
        sheet.paste(Image.fromarray(picture), (x, y))
        colour = _GREEN if sure >= 0.95 else _AMBER if sure >= 0.8 else _RED
        pen.text(
            (x + width / 2, y + height + 7),
            f"{sure:.3f}",
            colour,
            font=small,
            anchor="mm",
        )
    return sheet
