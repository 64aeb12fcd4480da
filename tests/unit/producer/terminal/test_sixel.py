"""Sixels: what is encoded is the picture, and a terminal is asked before any is sent to it."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from io import BytesIO
from time import monotonic

import numpy as np
import pytest
from PIL import Image

from producer.reading import sixel
from producer.terminal import picture
from tests.conftest import SAMPLES
from tests.support.running.fleet import interruptible
from tilefleet.testing import AnswerFactory

SAMPLE = SAMPLES / "002.jpg"


def png(pixels) -> bytes:
    out = BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(out, "PNG")
    return out.getvalue()


def decode(text: str) -> np.ndarray:
    """(height, width, 3) from 0 to 100; what nothing was painted on is -1."""
    found = re.search(r'\x1bP0;1;0q"1;1;(\d+);(\d+)([^\x1b]*)\x1b\\', text)
    width, height = int(found[1]), int(found[2])
    canvas = np.full((height + 5, width, 3), -1)
    palette, colour, x, top = {}, None, 0, 0
    for part in re.finditer(
        r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([$-])|([?-~])", found[3]
    ):
        register, red, green, blue, chosen, count, repeated, moved, one = part.groups()
        if register:
            palette[register] = [int(red), int(green), int(blue)]
        elif chosen:
            colour = palette[chosen]
        elif moved:
            x, top = 0, top + 6 * (moved == "-")
        else:
            bits = ord(repeated or one) - 63
            for row in range(6):
                if bits >> row & 1:
                    canvas[top + row, x : x + int(count or 1)] = colour
            x += int(count or 1)
    assert part.end() == len(found[3])
    assert (canvas[height:] == -1).all()
    return canvas[:height]


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (6, 9), (7, 300), (40, 31)])
def test_every_pixel_has_its_colour(size):
    random = np.random.default_rng(1)
    colours = random.integers(0, 256, (9, 3))
    # Some runs, some not.
    pixels = colours[np.sort(random.integers(0, 9, size)) // random.integers(1, 3, size)]
    shown = decode(sixel.encode(png(pixels), width=1000, colours=256))
    assert np.abs(shown - pixels / 255 * 100).max() <= 0.5


def test_a_drawn_answer_is_as_wide_as_there_is_room_in_as_many_colours_as_there_are():
    answer = AnswerFactory().build(["电线", "沙拉"], [5, 7])
    drawn = picture.draw(SAMPLE.read_bytes(), answer)
    wanted = Image.open(BytesIO(drawn)).convert("RGB")
    wanted = wanted.resize(
        (160, round(wanted.height * 160 / wanted.width)), Image.Resampling.LANCZOS
    )
    for colours, off in ((256, 2), (16, 8)):
        shown = decode(sixel.encode(drawn, width=160, colours=colours))
        assert shown.shape == (wanted.height, 160, 3)
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= colours
        assert np.abs(shown - np.asarray(wanted) / 255 * 100).mean() < off


def on_a_terminal(*command, replies, interrupt=False, columns=80, width=0):
    """(exit code, what came, seconds) of a command on a terminal that answers so; it is as it was
    before."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, width, 0))
    before = termios.tcgetattr(theirs)

    def attach():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    began, came, done = monotonic(), b"", 0
    process = subprocess.Popen(
        interruptible([sys.executable, *map(str, command)]),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=attach,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.05)[0]:
            came += os.read(ours, 1 << 16)
        for asked in re.finditer(rb"\x1b\[c|\x1b\[\?1;1;0S", came[done:]):
            os.write(ours, replies.get(asked[0], b""))
            if interrupt:
                process.send_signal(signal.SIGINT)
        done = max([done, *(each.end() for each in re.finditer(rb"\x1b\[c|0S", came))])
    after = termios.tcgetattr(theirs)
    os.close(ours)
    os.close(theirs)
    assert after == before
    return process.returncode, came.decode(), monotonic() - began


ASK = (
    "-c",
    "import os; from producer.reading import attributes; print(attributes.ask(os.environ['TERM']))",
)
DA1, COLOURS = b"\x1b[c", b"\x1b[?1;1;0S"


@pytest.mark.parametrize(
    ("replies", "found"),
    [
        ({DA1: b"\x1b[?62;4;22c"}, "Sixels(colours=256, cell=9)"),
        ({DA1: b"\x1b[?63;1;2;4c", COLOURS: b"\x1b[?1;0;16S"}, "Sixels(colours=16, cell=9)"),
        ({DA1: b"\x1b[?62;4c", COLOURS: b"\x1b[?1;0;65536S"}, "Sixels(colours=256, cell=9)"),
        ({DA1: b"\x1b[?62;4c", COLOURS: b"\x1b[?1;3;0S"}, "Sixels(colours=256, cell=9)"),
        # Typed while it was asked.
        ({DA1: b"ls\n\x1b[?62;4c"}, "Sixels(colours=256, cell=9)"),
        ({DA1: b"\x1b[?62;14;22;41c"}, "None"),
        ({DA1: b"\x1b[?6c"}, "None"),
        ({DA1: b"\x1b[?62"}, "None"),
        ({}, "None"),
    ],
)
def test_a_terminal_is_asked_and_left_as_it_was(replies, found):
    code, said, _ = on_a_terminal(*ASK, replies=replies, width=720)
    assert code == 0
    assert said.splitlines()[-1].endswith(found)


def test_ctrl_c_leaves_it_as_it_was():
    assert on_a_terminal(*ASK, replies={}, interrupt=True)[0] == -signal.SIGINT


def test_nobody_is_asked_without_a_terminal():
    done = subprocess.run(
        [sys.executable, *ASK], start_new_session=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "None\n"


def test_an_answer_is_drawn_where_the_terminal_says_so_and_refused_in_one_line_elsewhere(tmp_path):
    solve = ("-m", "producer.cli", "solve", "--local", "--show", SAMPLE)
    code, said, _ = on_a_terminal(*solve, replies={DA1: b"\x1b[?62;4c"})
    assert code == 0
    assert re.search(r'\x1bP0;1;0q"1;1;620;\d+#.*\x1b\\', said)
    code, said, _ = on_a_terminal(*solve, replies={DA1: b"\x1b[?62c"})
    assert code == 2
    assert "--show needs a terminal that shows pictures" in said
    # Where a pipe takes the answers nobody looks.
    done = subprocess.run(
        [sys.executable, *map(str, solve)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
