"""The dependency audit fails for a known weakness, and not for want of a network."""

import json

import pytest

from producer.local.ports import free_port
from tests.support.audit import audit
from tests.support.running.posts import posts


def weaknesses(body, _):
    """Answers as https://osv.dev does; knows one weakness, of Pillow."""
    asked = json.loads(body)
    package = {"name": "pillow", "ecosystem": "PyPI"}
    events = [{"introduced": "0"}, {"fixed": "13.0.0"}]
    weakness = {
        "id": "PYSEC-0000-1",
        "summary": "an example",
        "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
    }
    weak = asked["package"]["name"] == "pillow" and asked["version"] == "9.0.0"
    return json.dumps({"vulns": [weakness]} if weak else {}).encode()


@pytest.mark.parametrize(
    ("pins", "code", "said"),
    [
        ("pillow==9.0.0\nclick==8.5.1\n", 1, "pillow 9.0.0: PYSEC-0000-1, mended in 13.0.0"),
        ("pillow==13.0.0\nclick==8.5.1\n", 0, "2 packages, 0 known weaknesses"),
    ],
)
def test_a_known_weakness_is_an_error(tmp_path, capsys, monkeypatch, pins, code, said):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "pins").write_text(pins)
    with posts(weaknesses) as address:
        assert audit(str(tmp_path / "pins"), url=f"http://{address}/v1/query") == code
    assert said in capsys.readouterr().out


def test_without_its_database_it_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "pins").write_text("click==8.5.1\n")
    assert audit(str(tmp_path / "pins"), url=f"http://127.0.0.1:{free_port()}/v1/query") == 0
    said = capsys.readouterr().out
    assert "NOT DONE" in said
    assert "Connection refused" in said
