"""The old servers' way, to be compared with: Flask, one picture per request, Keras `predict`.

    python -m benchmarks.old_server MODEL PORT

As 12306-ocr does it (`POST /check`, a form with base64): decode, cut, one `predict` for the words
and one for the eight tiles, arg-max. The networks are those of a store's MODEL: its
own pair, imported, or ours.
"""

import base64
import sys

from flask import Flask, Response, jsonify, request

from models import store
from models.captcha import Crops
from models.labels import LABELS
from models.settings import Settings
from models.store import load_network


def make(model: str) -> Flask:
    settings = Settings.from_environ()
    entry = store.find(model, root=settings.store)
    words, tiles = load_network(entry, "words"), load_network(entry, "tiles")
    app = Flask("old")

    @app.post("/check")
    def check() -> Response:
        crops = Crops.from_bytes(
            base64.b64decode(request.form["img"].replace(" ", "+")), max_bytes=settings.max_bytes
        )
        asked = words.predict(crops.header[None], verbose=0)[0].argmax(axis=-1)
        shown = tiles.predict(crops.tiles, verbose=0).argmax(axis=-1)
        labels = {int(word) for word in asked if word < len(LABELS)}
        picks = [number for number, label in enumerate(shown, 1) if int(label) in labels]
        return jsonify(msg="success", result=picks or "")

    return app


if __name__ == "__main__":
    make(sys.argv[1]).run(port=int(sys.argv[2]))
