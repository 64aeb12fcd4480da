"""An answer drawn on its captcha: ``tilefleet solve --picture``.

Needs Pillow; the font is the package's own, which has the characters of all the built-in's labels.
"""

from io import BytesIO
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

from models.drawing.fonts import BOLD
from producer.terminal.text import percent
from tilefleet.answer import Answer, Grid
from tilefleet.kind import BUILTIN

#: How wide the captcha is drawn, about, pixels.
_WIDTH: Final = 880
#: The strips above and below, pixels.
_HEAD, _FOOT, _MARGIN = 64, 40, 18

_PAPER, _INK, _GREY = "#ffffff", "#1d2733", "#6b7785"
_GREEN, _AMBER, _RED = "#12873f", "#b06a00", "#c22f2f"
#: What is written on, over a picture.
_SHADE: Final = (20, 27, 36, 190)


def draw(data: bytes, answer: Answer) -> bytes:
    """PNG: the captcha enlarged, its words above, each tile's label and confidence
    on it, the picks framed and numbered, with the point to click."""
    with Image.open(BytesIO(data)) as opened:
        captcha = ImageOps.exif_transpose(opened).convert("RGB")
    grid = answer.grid or BUILTIN.grid
    scale = max(1, round(_WIDTH / captcha.width))
    size = (captcha.width * scale, captcha.height * scale)
    captcha = captcha.resize(size, Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (size[0], _HEAD + size[1] + _FOOT), _PAPER)
    sheet.paste(captcha, (0, _HEAD))
    over = ImageDraw.Draw(sheet, "RGBA")
    _write_words(over, answer, size[0] - _MARGIN)
    for number in range(1, len(answer.tiles) + 1):
        _mark_tile(over, answer, grid, scale, number)
    picks = " ".join(map(str, answer.picks)) or "none"
    middle = _HEAD + size[1] + _FOOT // 2
    over.text((_MARGIN, middle), f"picks {picks}", _GREEN, _font(22), "lm")
    over.text((size[0] - _MARGIN, middle), answer.model, _GREY, _font(18), "rm")
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _write_words(over: Any, answer: Answer, right: int) -> None:
    x, middle = float(_MARGIN), _HEAD // 2
    for word in answer.words:
        over.text((x, middle), word.label, _INK, _font(34), "lm")
        x += _font(34).getlength(word.label) + 10
        shown = percent(word.confidence)
        over.text((x, middle + 5), shown, _colour(word.confidence), _font(20), "lm")
        x += _font(20).getlength(shown) + 30
    shown = f"sure {percent(answer.confidence)}"
    over.text((right, middle + 2), shown, _colour(answer.confidence), _font(24), "rm")


def _mark_tile(over: Any, answer: Answer, grid: Grid, scale: int, number: int) -> None:
    row, column = divmod(number - 1, grid.columns)
    left, top = grid.lefts[column] * scale, _HEAD + grid.tops[row] * scale
    width, height = (length * scale for length in grid.tile)
    tile, picked = answer.tiles[number - 1], number in answer.picks
    right, bottom = left + width, top + height
    over.rectangle((left, bottom - 34, right, bottom), fill=_SHADE)
    over.text((left + 8, bottom - 17), tile.label, "white", _fitting(tile.label, width - 75), "lm")
    colour = {_GREEN: "#7fe3a3", _AMBER: "#ffc966", _RED: "#ff9a94"}[_colour(tile.confidence)]
    over.text((right - 8, bottom - 17), percent(tile.confidence), colour, _font(18), "rm")
    if not picked:
        return
    over.rectangle((left - 4, top - 4, right + 3, bottom + 3), outline=_GREEN, width=7)
    over.rounded_rectangle((left + 3, top + 3, left + 41, top + 41), 8, fill=_GREEN)
    over.text((left + 22, top + 22), str(number), "white", _font(26), "mm")
    x, y = answer.points[answer.picks.index(number)]
    _cross(over, x * scale, _HEAD + y * scale)


def _cross(over: Any, x: int, y: int) -> None:
    """Where to click: light on dark, to be seen on any picture."""
    for colour, width in (("white", 7), (_GREEN, 3)):
        over.ellipse((x - 11, y - 11, x + 11, y + 11), outline=colour, width=width)
        over.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)


def _fitting(text: str, width: float) -> ImageFont.FreeTypeFont:
    """The largest font in which a label fits: some have six characters."""
    size = 22
    while size > 12 and _font(size).getlength(text) > width:
        size -= 1
    return _font(size)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BOLD, size)


def _colour(share: float) -> str:
    if share >= 0.9:
        return _GREEN
    return _AMBER if share >= 0.5 else _RED
