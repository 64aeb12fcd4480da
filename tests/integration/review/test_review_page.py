"""The review page in headless Chromium: labels by the keyboard alone."""

import pytest

from models.bootstrap.dataset import Dataset
from tests.support import browser
from tests.support.data import review
from tilefleet.kind import BUILTIN


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviewed")
    review.write(folder)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    browser.needed()
    with review.serving(folder) as (address, _), browser.browser(address) as page:
        page.open()
        page.wait(lambda: page["where"].text == "1 of 5")
        yield page


def test_labels_are_given_by_the_keyboard_and_are_on_disk_at_once(page, folder):
    def decided():
        return Dataset.open(folder).corrections

    assert page.all("#offered li")[0].text.split() == ["1", BUILTIN.labels[4], "0.300"]
    page.type("1")
    page.wait(lambda: page["where"].text == "2 of 5")
    assert decided() == {4: BUILTIN.labels[4]}
    page.type("0")
    page.wait(lambda: page["where"].text == "3 of 5")
    assert decided() == {4: BUILTIN.labels[4], 3: ""}
    page.type("/")
    page.type("2" + BUILTIN.labels[79])
    page.press("Enter")
    page.wait(lambda: "none of the 80 labels" in page["error"].text)
    page.wait(lambda: page["where"].text == "3 of 5")
    page.press("Escape")
    page.type("/")
    page.type(BUILTIN.labels[79])
    page.press("Enter")
    page.wait(lambda: page["where"].text == "4 of 5")
    assert decided() == {4: BUILTIN.labels[4], 3: "", 2: BUILTIN.labels[79]}
    assert page["decided"].text == "3 decided"


def test_one_can_go_back_and_change_ones_mind(page, folder):
    for _ in range(3):
        page.press("Left")
    page.wait(lambda: page["where"].text == "1 of 5")
    assert f"decided: {BUILTIN.labels[4]}" in page["about"].text
    assert page.all("#offered li.chosen")[0].text.split()[1] == BUILTIN.labels[4]
    page.press("Backspace")
    page.wait(lambda: page["decided"].text == "2 decided")
    assert page["where"].text == "1 of 5"
    assert 4 not in Dataset.open(folder).corrections
    page.type("2")
    page.wait(lambda: page["where"].text == "2 of 5")
    assert Dataset.open(folder).corrections[4] != BUILTIN.labels[4]
    page.type("n")
    page.wait(lambda: page["where"].text == "4 of 5")
    page.all("#offered li")[0].click()
    page.wait(lambda: page["where"].text == "5 of 5")
    assert Dataset.open(folder).corrections[1] == BUILTIN.labels[1]


def test_after_a_visit_one_begins_where_nothing_is_decided(page):
    page.open()
    page.wait(lambda: page["where"].text == "5 of 5")
    page.wait(lambda: page["picture"].get_property("naturalWidth") == 67)
    errors = [line["message"] for line in page.driver.get_log("browser")]
    assert [error for error in errors if "400 (" not in error] == []
