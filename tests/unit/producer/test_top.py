"""What `tilefleet top` shows, at any width."""

import io

import pytest
from rich.console import Console

from producer.monitoring import screen
from producer.monitoring.trend import Trend
from producer.monitoring.watch import View
from tilefleet.figures import Figures
from tilefleet.report import Report

NAMES = (
    "celery@vm",
    "celery@tilefleet-worker-7d9c5b8d6f-abcde",
    "a" * 60 + "@b",
    "[red]odd[/red]@h",
)


def shown(width, *names):
    """The screen's lines, with a worker of each name that is busy."""
    trend = Trend()
    for second in range(3):
        durations = dict.fromkeys(("wait", "pass"), (0,) * 9 + (second * 100, second) + (0,) * 6)
        figures = Figures(
            uptime_s=7000.0 + second,
            engine="litert",
            lanes=16,
            waiting=12_345,
            passes={1: 1000 * second, 64: 999 * second},
            errors={"NotAnImage": 1_000_000 * second},
            durations=durations,
        )
        told = {name: Report(4000.0, {}, "builtin@873e3327", figures) for name in names}
        view = View(told, {"captcha": 5})
        trend.add(view, now=float(second))
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(screen.screen("redis://127.0.0.1:6379/0", view, trend))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [64, 80, 100, 120, 160, 500])
def test_every_workers_name_and_figures_can_be_read(width):
    lines = shown(width, *NAMES)
    assert all(len(line) <= width for line in lines)
    for name in NAMES:
        assert sum(name in line for line in lines) == 1
    assert not any("…" in line for line in lines) or width < 80
    assert sum("12,345" in line for line in lines) == len(NAMES)


def test_where_there_is_no_screen_each_worker_has_one_line():
    (line,) = [line for line in shown(screen._WIDTH, *NAMES) if NAMES[1] in line]
    for figure in ("builtin@873e3327", "litert ×16", "12,345", "1 h 56 min"):
        assert figure in line


def test_a_name_longer_than_the_screen_is_folded_and_not_cut():
    name = "celery@" + "x" * 100
    assert name in "".join(line.strip() for line in shown(80, name))


def test_what_others_wrote_moves_no_cursor():
    text = "\n".join(shown(80, "bad\x1b[2Jname\n@h"))
    assert "\x1b" not in text
    assert "bad�[2Jname�@h" in text
