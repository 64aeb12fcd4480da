"""What `tilefleet top` shows, at any width."""

import io

import pytest
from rich.console import Console

from producer.cli.monitoring.top import ORDERS as OFFERED
from producer.monitoring import screen, top
from producer.monitoring.keyboard import _first
from producer.monitoring.trend import Trend, latency_s, oldest_s
from producer.monitoring.watch import View
from producer.monitoring.workers import ORDERS, ordered
from producer.terminal.text import curve
from tilefleet import wire
from tilefleet.figures import Figures
from tilefleet.report import Report

NAMES = (
    "celery@vm",
    "celery@tilefleet-worker-7d9c5b8d6f-abcde",
    "a" * 60 + "@b",
    "[red]odd[/red]@h",
)


def shown(width, *names, choice=None):
    """The screen's lines, with a worker of each name that is busy."""
    trend, choice = Trend(), choice or top.Choice()
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
    console.print(screen.screen("redis://127.0.0.1:6379/0", view, trend, choice=choice))
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
    (line,) = [line for line in shown(top.WIDTH, *NAMES) if NAMES[1] in line]
    for figure in ("builtin@873e3327", "litert ×16", "12,345", "1 h 56 min"):
        assert figure in line


def test_a_name_longer_than_the_screen_is_folded_and_not_cut():
    name = "celery@" + "x" * 100
    assert name in "".join(line.strip() for line in shown(80, name))


def test_what_others_wrote_moves_no_cursor():
    text = "\n".join(shown(80, "bad\x1b[2Jname\n@h"))
    assert "\x1b" not in text
    assert "bad�[2Jname�@h" in text


def fleet():
    """Three workers of different rates, ages and errors, a look apart."""
    trend = Trend()
    for second in range(3):
        told = {}
        for number, name in enumerate(("b@h", "c@h", "a@h"), 1):
            figures = Figures(
                uptime_s=10.0 * number + second,
                waiting=number % 3,
                oldest_s=float(number % 2),
                passes={2: 50 * number * second},
                errors={"WrongSize": 3 - number, "NotAnImage": second},
                durations={"wait": (0, 0, 0, 9 * second) + (0,) * 13},
            )
            told[name] = Report(0.0, {"captcha": 10}, "m@1", figures)
        view = View(told, {"captcha": 7, "captcha.bulk": 0}, {"captcha": 2.5})
        trend.add(view, now=float(second))
    return view, trend


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("name", ["a@h", "b@h", "c@h"]),
        ("rate", ["a@h", "c@h", "b@h"]),
        ("wait", ["c@h", "b@h", "a@h"]),
        ("oldest", ["a@h", "b@h", "c@h"]),
        ("failed", ["b@h", "c@h", "a@h"]),
        ("up", ["a@h", "c@h", "b@h"]),
    ],
)
def test_workers_are_sorted_by_what_is_asked_for(by, names):
    view, trend = fleet()
    assert ordered(view, trend, by, reverse=False) == names
    assert ordered(view, trend, by, reverse=True) == names[::-1]
    found = screen.as_object("redis://here", view, trend, top.Choice(order=by))
    assert list(found["workers"]) == names
    assert tuple(ORDERS) == OFFERED


def test_json_tells_of_lanes_and_of_the_oldest():
    view, trend = fleet()
    found = screen.as_object("redis://here", view, trend, top.Choice())
    assert found["lanes"]["captcha"] == {
        "waiting": 7,
        "may_wait": 30,
        "oldest_s": 2.5,
        "workers": 3,
    }
    assert found["lanes"]["captcha.bulk"]["oldest_s"] is None
    assert found["oldest_s"] == oldest_s(view) == 2.5
    assert latency_s(trend.total) == 0.001
    assert found["errors"] == {"NotAnImage": 6}


def test_one_worker_is_shown_with_all_that_is_known_of_it():
    text = "\n".join(shown(80, "one@h", "two@h", choice=top.Choice(node="two@h")))
    assert "two@h" in text
    assert "one@h" not in text
    for what in ("up to 0 a pass", "may wait", "decode", "store", "2,000,000 NotAnImage"):
        assert what in text
    assert all(len(line) <= 80 for line in text.splitlines())
    gone = "\n".join(shown(80, "one@h", choice=top.Choice(node="two@h")))
    assert "two@h is gone" in gone


def test_keys_choose_sort_and_end():
    view, trend = fleet()
    choice = top.Choice()
    for key in ("s", "r", "down", "down", "enter"):
        assert choice.press(key, view, trend)
    assert (choice.order, choice.reverse) == ("rate", True)
    assert choice.node == ordered(view, trend, "rate", reverse=True)[1]
    choice.press("up", view, trend)
    assert choice.node == ordered(view, trend, "rate", reverse=True)[0]
    choice.press("escape", view, trend)
    assert choice.node == ""
    assert not choice.press("q", view, trend)


def test_keys_are_told_apart_however_many_come_at_once():
    keys, typed = [], "j\n\x1b[Bq\x1b"
    while typed:
        key, typed = _first(typed)
        keys.append(key)
    assert keys == ["j", "enter", "down", "q", "escape"]
    assert _first("\x1b[15~") == ("", "")


def test_a_sparkline_has_its_highest_step_for_the_most():
    assert curve([0, 1, 2, 4]) == "▁▃▅█"
    assert curve([0, 0]) == curve([]) == ""
    assert curve([0, 0.5], least=1.0) == "▁▅"


def with_models(*models):
    """A worker that holds these, two looks, and what is shown of it."""
    trend = Trend()
    for second in range(2):
        figures = Figures(
            uptime_s=10.0 + second,
            answered_by=dict.fromkeys(models, 40 * second),
            failed_by={models[-1]: 2 * second},
        )
        bounds = dict.fromkeys(wire.lanes(models), 10)
        first, *others = (f"{model}@1" for model in models)
        told = {"a@h": Report(0.0, bounds, first, figures, others=tuple(others))}
        view = View(told, dict.fromkeys(bounds, 3), {})
        trend.add(view, now=float(second))
    console = Console(width=120, file=io.StringIO(), force_terminal=False)
    console.print(screen.screen("redis://here", view, trend, choice=top.Choice()))
    return console.file.getvalue(), screen.as_object("redis://here", view, trend, top.Choice())


def test_each_of_several_models_has_a_line_with_its_rate_and_failures():
    text, told = with_models("builtin", "mine")
    (line,) = [line for line in text.splitlines() if line.startswith("mine@1")]
    assert line.split() == ["mine@1", "1", "40", "2.0"]
    assert "captcha.bulk@mine" in text
    assert told["models"]["mine"] == {"models": ["mine@1"], "workers": 1, "rate": 40, "failed": 2}
    assert told["workers"]["a@h"]["models"] == ["builtin@1", "mine@1"]
    assert told["lanes"]["captcha@mine"]["waiting"] == 3
