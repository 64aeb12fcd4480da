"""The labelling page in headless Chromium: by the keyboard, by touch, in both languages."""

import shutil

import pytest

from models.datasets.answers import Answer, Answers
from tests.conftest import SAMPLES
from tests.support import browser
from tests.support.data import review


@pytest.fixture
def folder(tmp_path):
    for number in range(5):
        shutil.copy(SAMPLES / f"00{number}.jpg", tmp_path)
    return tmp_path


@pytest.fixture
def page(folder):
    browser.needed()
    with review.serving(folder, "label") as (address, _), browser.browser(address) as page:
        page.open()
        page.wait(lambda: page["where"].text == "1 of 5")
        yield page
        errors = [line["message"] for line in page.driver.get_log("browser")]
        assert [error for error in errors if "409 (" not in error] == []


def written(folder) -> dict[str, Answer]:
    return Answers.read(folder / "answers.csv", missing=True, tiles=8).known


def picked(page) -> list[int]:
    return [
        number
        for number in range(1, 9)
        if page[f"tile{number}"].get_attribute("aria-pressed") == "true"
    ]


def file(page) -> str:
    return page["about"].text.partition(":")[0].partition("：")[0]


def test_answers_are_given_corrected_and_taken_back_by_the_keyboard(page, folder):
    first, words, guess = file(page), page["words"].get_property("value"), picked(page)
    assert page["right"].text == "✓ right"
    page.press("Enter")
    page.wait(lambda: page["where"].text == "2 of 5")
    assert written(folder) == {first: Answer(tuple(words.split()), tuple(guess))}
    # Wrong: choose anew.
    second = file(page)
    page.type("x")
    assert picked(page) == []
    page.press("Enter")
    assert page["error"].text == "choose one tile at least"
    page.type("27")
    assert picked(page) == [2, 7]
    assert page["right"].text == "✓ save"
    page.type("w")
    page.type("电线 沙拉")
    page.press("Enter")
    page.press("Enter")
    page.wait(lambda: page["where"].text == "3 of 5")
    assert written(folder)[second] == Answer(("电线", "沙拉"), (2, 7))
    assert page["decided"].text == "2 decided"
    # Taken back, twice.
    page.press("Backspace")
    page.wait(lambda: page["where"].text == "2 of 5")
    assert [*written(folder)] == [first]
    page.type("u")
    page.wait(lambda: page["where"].text == "1 of 5")
    assert written(folder) == {}
    page.type("u")
    page.wait(lambda: "nothing to take back" in page["error"].text)


def test_one_goes_on_where_one_was(page, folder):
    page.press("Right")
    page.wait(lambda: page["where"].text == "2 of 5")
    page.press("Enter")
    page.wait(lambda: page["where"].text == "3 of 5")
    page.press("Left")
    page.wait(lambda: page["where"].text == "2 of 5")
    assert "decided" in page["about"].text
    page.type("n")
    page.wait(lambda: page["where"].text == "3 of 5")
    for at in ("4 of 5", "5 of 5", "1 of 5"):
        page.press("Enter")
        page.wait(lambda at=at: page["where"].text == at)
    # The first was left open; then nothing is.
    page.press("Enter")
    page.wait(lambda: page["error"].text == "all are decided")
    assert len(written(folder)) == 5
    page.open()
    page.wait(lambda: page["decided"].text == "5 decided")


def test_on_a_phone_it_is_touched_and_everything_fits(page, folder):
    page.open(width=390, height=844)
    page.wait(lambda: page["where"].text == "1 of 5")
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")
    assert page["undo"].rect["y"] + page["undo"].rect["height"] <= 844
    for button in page.all(".answer button, .board button"):
        assert min(button.size["width"], button.size["height"]) >= 44
    before = picked(page)
    page["tile8"].click()
    assert set(picked(page)) == set(before) ^ {8}
    page["tile8"].click()
    named = file(page)
    page["right"].click()
    page.wait(lambda: page["where"].text == "2 of 5")
    assert [*written(folder)] == [named]
    page["undo"].click()
    page.wait(lambda: page["where"].text == "1 of 5")
    page["skip"].click()
    page.wait(lambda: page["where"].text == "2 of 5")


def test_it_speaks_two_languages_and_stays_with_the_chosen_one(page):
    page["language"].click()
    assert page["where"].text == "第 1 个，共 5 个"
    assert [page[name].text for name in ("right", "wrong", "undo", "skip")] == [
        *("✓ 正确", "✗ 错误", "↶ 撤销", "→ 跳过")
    ]
    page.driver.refresh()
    page.wait(lambda: page["where"].text == "第 1 个，共 5 个")
    assert page.script("return document.documentElement.lang") == "zh-CN"
    page["language"].click()
    assert page["where"].text == "1 of 5"
    assert page.all("[data-text]")
    assert not [each for each in page.all("[data-text]") if not each.get_attribute("textContent")]


@pytest.mark.parametrize("dark", [False, True])
def test_all_of_it_can_be_read(page, dark):
    page.open(dark=dark)
    page.wait(lambda: page["where"].text == "1 of 5")
    for selector in ("#about", "#decided", "#right", "#wrong", ".keys", "#tile1 span", "#words"):
        assert page.contrast(selector) >= 4.5
    assert page.violations() == []
