"""The fifty captchas of 2017 as people have them: how many of them the built-in still reads."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.datasets.truth import truths
from models.engines.reader import Reader
from models.recognition.image import decode
from tilefleet.errors import BadImage
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reader():
    return Reader(Settings(engine="litert"))


@pytest.fixture(scope="module")
def captchas(data_folder):
    """(picture, right picks) of each."""
    found = []
    for truth in truths(data_folder / "captchas"):
        pixels = decode(truth.path.read_bytes(), BUILTIN.layout, max_bytes=1 << 20)
        found.append((Image.fromarray(pixels), truth.picks))
    return found


@pytest.fixture(scope="module")
def plain(reader, captchas):
    return exact(reader, captchas, lambda picture: picture)


def saved(picture, kind="PNG", **options):
    file = io.BytesIO()
    # A PNG's pixels are the same however hard it is packed.
    picture.save(file, kind, compress_level=1, **options)
    return file.getvalue()


def exact(reader, captchas, change, **options):
    right = 0
    for picture, picks in captchas:
        try:
            right += reader.read(saved(change(picture), **options)).picks == picks
        except BadImage:
            continue
    return right


def scaled(scale):
    def change(picture):
        size = (round(picture.width * scale), round(picture.height * scale))
        return picture.resize(size, Image.Resampling.BICUBIC)

    return change


def bordered(width, colour):
    def change(picture):
        page = Image.new("RGB", (picture.width + 2 * width, picture.height + 2 * width), colour)
        page.paste(picture, (width, width))
        return page

    return change


def pasted(picture):
    page = Image.new("RGB", (1100, 720), (246, 247, 249))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 1100, 60), fill=(40, 90, 160))
    for line in range(14):
        pen.text(
            (40, 90 + line * 40), f"Text of a page, line {line}, with words in it", fill="black"
        )
    left, top = np.random.default_rng(picture.getpixel((150, 60))).integers((200, 100), (700, 450))
    page.paste(picture, (int(left), int(top)))
    return page


@pytest.mark.parametrize(
    "change",
    [
        *(pytest.param(scaled(scale), id=f"{scale} times") for scale in (0.75, 1.25, 1.5, 2, 3)),
        *(
            pytest.param(bordered(width, colour), id=f"border of {width} px, {colour}")
            for width, colour in ((1, "white"), (5, "grey"), (20, "black"))
        ),
        pytest.param(pasted, id="pasted on a page"),
    ],
)
def test_at_most_one_captcha_fewer_is_read(reader, captchas, plain, change):
    assert exact(reader, captchas, change) >= plain - 1


def test_what_jpeg_at_quality_60_costs_is_the_networks_and_bounded(reader, captchas, plain):
    def change(picture):
        return picture

    assert exact(reader, captchas, change, kind="JPEG", quality=60) >= plain - 3
