"""A layout drawn onto a captcha, for the eye: the header's box, the tiles' with their numbers, and
where is clicked."""

from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from models.drawing import fonts
from tilefleet.layout import Layout

#: Small pictures are enlarged until their longer side has about so many pixels.
_LONGER: Final = 600
_HEADER, _TILE, _CLICK = (0, 90, 220), (215, 0, 60), (0, 150, 70)


def draw(captcha: Path, layout: Layout) -> Image.Image:
    """The captcha, a file of that layout's size, with the layout's boxes on it."""
    with Image.open(captcha) as file:
        page = file.convert("RGB")
    scale = max(1, round(_LONGER / max(page.size)))
    page = page.resize((page.width * scale, page.height * scale), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(page)
    font = ImageFont.truetype(fonts.BOLD, max(10, 6 * scale))
    boxes = [(layout.header, _HEADER, "words")]
    for number, corner in enumerate(layout.corners, 1):
        boxes.append(((*corner, *layout.tile), _TILE, str(number)))
    for (x, y, width, height), colour, text in boxes:
        left, top = x * scale, y * scale
        box = (left, top, left + width * scale - 1, top + height * scale - 1)
        pen.rectangle(box, outline=colour, width=max(1, scale - 1))
        wide = round(font.getlength(text)) + 4
        pen.rectangle((left, top, left + wide, top + font.size + 2), fill=colour)
        pen.text((left + 2, top + 1), text, "white", font=font)
    reach = 2 * scale
    for x, y in layout.points:
        at = (x * scale - reach, y * scale - reach, x * scale + reach, y * scale + reach)
        pen.ellipse(at, outline=_CLICK, width=scale)
    return page
