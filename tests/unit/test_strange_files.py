"""What a folder or an archive of somebody's has in the place of a file costs an error, and neither
memory nor time: a pipe that nobody writes to, a device without an end, what is far too long."""

import os
from itertools import product
from types import SimpleNamespace

import pytest

from models.bootstrap.scan import scan
from models.datasets import kinds
from models.datasets.answers import Answers
from models.datasets.collections import is_unseen
from models.datasets.tiles import open_captcha
from models.datasets.truth import Truth
from models.evaluation.score import outcomes
from models.store import archive, find
from producer.review.labelling import Labelling
from tilefleet.errors import SettingError, TilefleetError
from tilefleet.kind import BUILTIN
from tilefleet.settings import Settings

CALLED = "something.jpg"


def label(path):
    skipped = []
    reader = SimpleNamespace(engine=SimpleNamespace(kind=BUILTIN), read=None)
    Labelling.read(
        path.parent, reader, tick=lambda *_: None, skip=lambda *each: skipped.append(each)
    )
    ((file, why),) = skipped
    assert file == CALLED
    raise TilefleetError(why)


def bootstrap(path):
    scan(path.parent, path.parent / "kept", words=find("builtin"), signature=len)


def read_secret(path):
    Settings.from_environ({"CELERY_BROKER_URL_FILE": str(path)})


#: Each way to read such a file. A setting's may be a pipe: a shell makes it of <(…).
READS = {
    "an archive of a model": archive.read,
    "answers.csv": lambda path: Answers.read(path, tiles=8),
    "layout.toml": kinds.read_layout,
    "words.txt": kinds.read_words,
    "a captcha to label": label,
    "captchas to bootstrap": bootstrap,
    "a captcha to measure": lambda path: outcomes(None, [Truth(path, (), ())]),
    "a captcha to learn from": open_captcha,
    "a captcha that may be measured": lambda path: is_unseen(Truth(path, (), ())),
    "a setting's file": read_secret,
}
KINDS = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "long": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40),
}


@pytest.mark.parametrize(
    ("read", "kind"),
    [each for each in product(READS, KINDS) if each != ("a setting's file", "pipe")],
)
def test_it_is_an_error(tmp_path, read, kind):
    path = tmp_path / CALLED
    KINDS[kind](path)
    with pytest.raises((TilefleetError, SettingError, OSError)) as raised:
        READS[read](path)
    assert any(word in str(raised.value) for word in ("pipe or a device", "more than", "zip file"))
