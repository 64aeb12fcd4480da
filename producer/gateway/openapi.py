"""``GET /openapi.json``: the API, described for programs (OpenAPI 3.1).

Written by hand beside the code; a test holds every route, status and reply against it.
"""

from typing import Any

from models import geometry, wire
from models.labels import LABELS
from models.settings import Settings
from producer.gateway import problem

#: Seconds to wait for an answer, unless the request says otherwise, and at most.
TIMEOUT_S, LONGEST_S = 10.0, 60.0

_Object = dict[str, Any]


def document(settings: Settings, *, version: str, keys: bool, legacy: bool) -> _Object:
    """`keys`: whether keys are asked for; `legacy`: whether old paths are there."""
    paths = _clean(settings) | _watched()
    if keys:
        for path in ("/v1/solve", "/v1/solve-many"):
            for operation in paths[path].values():
                operation["security"] = [{"bearer": []}, {"header": []}]
                operation["responses"] |= _problems(401)
    components: _Object = {"schemas": _SCHEMAS, "responses": _PROBLEMS}
    if keys:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tilefleet",
            "version": version,
            "summary": "Reads grid captchas.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths | (_old() if legacy else {}),
        "components": components,
    }


def _clean(settings: Settings) -> _Object:
    timeout = {
        "name": "timeout",
        "in": "query",
        "description": "Seconds to wait for the answer.",
        "schema": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": LONGEST_S,
            "default": TIMEOUT_S,
        },
    }
    base64 = {
        "type": "string",
        "contentEncoding": "base64",
        "description": "With or without data:…, in front; URL-safe or not; padded or not.",
    }
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    most = settings.max_list
    return {
        "/v1/solve": {
            "post": {
                "operationId": "solve",
                "summary": "Read one captcha.",
                "parameters": [timeout],
                "requestBody": {
                    "required": True,
                    "description": (
                        f"A picture of {geometry.CAPTCHA_WIDTH}×{geometry.CAPTCHA_HEIGHT} pixels, "
                        f"JPEG, PNG, WebP, BMP or GIF, at most {settings.max_bytes} bytes: raw, as "
                        "the only file of a form, or as base64 in JSON."
                    ),
                    "content": {
                        "image/*": {"schema": file},
                        "application/octet-stream": {"schema": file},
                        "multipart/form-data": {
                            "schema": {"type": "object", "additionalProperties": file}
                        },
                        "application/json": {"schema": _object({"image": base64})},
                    },
                },
                "responses": {
                    **_ok("What the fleet reads in it.", "Answer"),
                    **_problems(400, 408, 413, 429, 500, 503, 504),
                },
            }
        },
        "/v1/solve-many": {
            "post": {
                "operationId": "solveMany",
                "summary": "Read a list of captchas, when nobody waits for others.",
                "parameters": [timeout],
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "additionalProperties": {"type": "array", "items": file},
                            }
                        },
                        "application/json": {
                            "schema": _object(
                                {
                                    "images": {
                                        "type": "array",
                                        "items": base64,
                                        "minItems": 1,
                                        "maxItems": most,
                                    }
                                }
                            )
                        },
                    },
                },
                "responses": {
                    **_ok("Answers, or errors in their places, in the same order.", "Outcomes"),
                    **_problems(400, 408, 413, 429, 500, 503),
                },
            }
        },
    }


def _watched() -> _Object:
    def get(name: str, summary: str, responses: _Object) -> _Object:
        return {"get": {"operationId": name, "summary": summary, "responses": responses}}

    return {
        "/healthz": get("healthz", "This process answers.", _text("It does.")),
        "/readyz": get(
            "readyz",
            "Whether there are workers.",
            {**_ok("There are.", "Fleet"), **_reply("503", "There are none.", "Fleet")},
        ),
        "/metrics": get("metrics", "For Prometheus.", _text("Metrics.")),
        "/openapi.json": get(
            "document", "This document.", _inline("200", "It.", {"type": "object"})
        ),
        "/": get("page", "The page, for browsers.", _text("The page.", "text/html")),
    }


def _old() -> _Object:
    """The old servers' paths: always 200, as their clients expect."""
    code = {"type": "integer"}
    verify = _object(
        {
            "code": code,
            "massage": {"type": "string"},
            "data": {"type": "array", "items": {"type": "string", "pattern": "^[1-8]$"}},
        }
    )
    check = _object(
        {
            "msg": {"enum": ["success", "Wrong format. "]},
            "result": {
                "oneOf": [
                    {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 8}},
                    {"const": ""},
                ]
            },
        },
        optional=["result"],
    )
    clicks = _object(
        {"code": code, "msg": {"type": "string"}, "data": {"type": ["string", "null"]}}
    )
    labels = _object(
        {
            "code": code,
            "msg": {"type": "string"},
            "data": {
                "oneOf": [
                    {"type": "null"},
                    _object(
                        {
                            "questions": {"type": "array", "items": {"type": "string"}},
                            "pictures": {
                                "type": "array",
                                "items": _object(
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

    def post(server: str, field: str, reply: _Object, *, file: bool = False) -> _Object:
        kind = "multipart/form-data" if file else "application/x-www-form-urlencoded"
        content = {"type": "string", **({} if file else {"contentEncoding": "base64"})}
        return {
            "post": {
                "summary": f"As {server} answers.",
                "deprecated": True,
                "requestBody": {
                    "content": {kind: {"schema": _object({field: content}, optional=[field])}}
                },
                "responses": {
                    **_inline("200", "Whatever happens.", reply),
                    **_problems(400, 401, 404, 408, 413, 429, 503),
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


def _object(properties: _Object, *, optional: list[str] | None = None) -> _Object:
    """A JSON object with these and no other properties, all there but for the optional ones."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in (optional or [])],
        "additionalProperties": False,
    }


def _schema(name: str) -> _Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _inline(status: str, what: str, schema: _Object) -> _Object:
    return {status: {"description": what, "content": {"application/json": {"schema": schema}}}}


def _reply(status: str, what: str, schema: str) -> _Object:
    return _inline(status, what, _schema(schema))


def _ok(what: str, schema: str) -> _Object:
    return _reply("200", what, schema)


def _text(what: str, kind: str = "text/plain") -> _Object:
    return {"200": {"description": what, "content": {kind: {"schema": {"type": "string"}}}}}


def _problems(*statuses: int) -> _Object:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _problem(what: str, *, retry: bool = False) -> _Object:
    described: _Object = {
        "description": what,
        "content": {problem.MEDIA_TYPE: {"schema": _schema("Problem")}},
    }
    if retry:
        described["headers"] = {
            "Retry-After": {
                "description": "Seconds after which to try again.",
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    return described


_PROBLEMS = {
    "400": _problem("What was sent cannot be read; sending it again will not help."),
    "401": _problem("No API key, or one that is not known."),
    "404": _problem("Nothing is there."),
    "408": _problem("The body did not come in time."),
    "413": _problem("More bytes than are accepted."),
    "429": _problem("The key's quota is used up.", retry=True),
    "500": _problem("The networks, or the gateway, failed on it."),
    "503": _problem("Too much at once, or no fleet there.", retry=True),
    "504": _problem("No answer in time."),
}

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}

_SCHEMAS: _Object = {
    "Answer": _object(
        {
            "words": {
                "type": "array",
                "items": _schema("Reading"),
                "minItems": 1,
                "maxItems": 2,
                "description": "What the header asks for.",
            },
            "tiles": {
                "type": "array",
                "items": _schema("Reading"),
                "minItems": 8,
                "maxItems": 8,
                "description": "Row by row.",
            },
            "picks": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1, "maximum": 8},
                "description": "Numbers of the tiles that show one of the words.",
            },
            "points": {
                "type": "array",
                "items": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "minItems": 2,
                    "maxItems": 2,
                },
                "description": "Where to click for each pick: x, y in pixels.",
            },
            "confidence": {**_PROBABILITY, "description": "That the picks are exactly right."},
            "model": {"type": "string", "examples": ["builtin@3f2a9c1e"]},
            "timing": _object(
                {
                    "queued_ms": {"type": "number", "minimum": 0},
                    "pass_ms": {"type": "number", "minimum": 0},
                    "pass_size": {"type": "integer", "minimum": 1},
                }
            ),
        },
        optional=["timing"],
    ),
    "Reading": _object(
        {"label": {"type": "string", "enum": list(LABELS)}, "confidence": _PROBABILITY}
    ),
    "Outcomes": {
        "type": "array",
        "items": {"oneOf": [_schema("Answer"), _schema("ErrorInList")]},
    },
    "ErrorInList": _object(
        {"error": _object({"type": {"type": "string"}, "message": {"type": "string"}})}
    ),
    "Fleet": _object(
        {
            "workers": _COUNT,
            "captchas_per_second": {
                "type": "number",
                "minimum": 0,
                "description": "Of all workers when they have more than enough; 0 while unknown.",
            },
            "waiting": _object({wire.LANE: _COUNT, wire.BULK_LANE: _COUNT}),
            "drain_seconds": {
                "type": ["number", "null"],
                "description": "Until all that waits is read; null while nobody knows.",
            },
            "answered": {**_COUNT, "description": "Captchas, by this gateway since it began."},
        }
    ),
    "Problem": _object(
        {
            "type": {
                "type": "string",
                "examples": [problem.TYPE + "NotAnImage", "about:blank"],
            },
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        }
    ),
}
