"""The old servers' paths: always 200, as their clients expect."""

from producer.gateway.openapi.replies import inline, problems
from producer.gateway.openapi.schemas import Schema, record


def old_paths() -> Schema:
    """Each path with what may be sent to it, and what comes back."""
    code = {"type": "integer"}
    verify = record(
        {
            "code": code,
            "massage": {"type": "string"},
            "data": {"type": "array", "items": {"type": "string", "pattern": "^[1-9][0-9]*$"}},
        }
    )
    check = record(
        {
            "msg": {"enum": ["success", "Wrong format. "]},
            "result": {
                "oneOf": [
                    {"type": "array", "items": {"type": "integer", "minimum": 1}},
                    {"const": ""},
                ]
            },
        },
        optional=["result"],
    )
    clicks = record({"code": code, "msg": {"type": "string"}, "data": {"type": ["string", "null"]}})
    labels = record(
        {
            "code": code,
            "msg": {"type": "string"},
            "data": {
                "oneOf": [
                    {"type": "null"},
                    record(
                        {
                            "questions": {"type": "array", "items": {"type": "string"}},
                            "pictures": {
                                "type": "array",
                                "items": record(
                                    {
                                        "x": {"type": "integer", "minimum": 0, "maximum": 3},
                                        "y": {"type": "integer", "minimum": 0, "maximum": 1},
                                        "desc": {"type": "string"},
                                    }
                                ),
                            },
                        }
                    ),
                ]
            },
        }
    )

    def post(server: str, field: str, reply: Schema, *, file: bool = False) -> Schema:
        kinds = ["multipart/form-data"]
        if not file:
            kinds = ["application/x-www-form-urlencoded", "application/json"]
        content = {"type": "string", **({} if file else {"contentEncoding": "base64"})}
        form = {"schema": record({field: content}, optional=[field])}
        return {
            "post": {
                "summary": f"As {server} answers.",
                "deprecated": True,
                "requestBody": {"content": dict.fromkeys(kinds, form)},
                "responses": {
                    **inline("200", "Whatever happens.", reply),
                    **problems(401, 403, 404, 408, 413, 429, 503),
                },
            }
        }

    java = "easy12306-java"
    return {
        "/verify/base64/": post("12306_code_server", "imageFile", verify),
        "/check": post("12306-ocr", "img", check),
        "/check/": post("12306-ocr", "img", check),
        "/result/pic": post(java, "file", clicks, file=True),
        "/result/base64": post(java, "base64String", clicks),
        "/predict/pic": post(java, "file", labels, file=True),
        "/predict/base64": post(java, "base64String", labels),
    }
