"""The dependency audit fails for a known weakness, and not for want of a network."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from producer.local.ports import free_port
from tests.support.audit import audit


class Database(BaseHTTPRequestHandler):
    """Answers as https://osv.dev does; knows one weakness, of Pillow."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = {"name": "pillow", "ecosystem": "PyPI"}
        events = [{"introduced": "0"}, {"fixed": "13.0.0"}]
        weakness = {
            "id": "PYSEC-0000-1",
            "summary": "an example",
            "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
        }
        weak = asked["package"]["name"] == "pillow" and asked["version"] == "9.0.0"
        body = json.dumps({"vulns": [weakness]} if weak else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def database():
    with HTTPServer(("127.0.0.1", 0), Database) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


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
    with database() as url:
        assert audit(str(tmp_path / "pins"), url=url) == code
    assert said in capsys.readouterr().out


def test_without_its_database_it_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "pins").write_text("click==8.5.1\n")
    assert audit(str(tmp_path / "pins"), url=f"http://127.0.0.1:{free_port()}/v1/query") == 0
    said = capsys.readouterr().out
    assert "NOT DONE" in said
    assert "Connection refused" in said
