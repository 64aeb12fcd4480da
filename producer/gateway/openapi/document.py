"""``GET /openapi.json``: the API, described for programs (OpenAPI 3.1).

Written by hand beside the code; a test holds every route, status and reply against it.
"""

from producer.gateway import problem
from producer.gateway.openapi import examples
from producer.gateway.openapi.schemas import SCHEMAS, Schema, named, record
from tilefleet.settings import Settings

#: Seconds to wait for an answer, unless the request says otherwise, and at most.
TIMEOUT_S, LONGEST_S = 10.0, 60.0
#: Seconds for which the reply to a request with an Idempotency-Key is kept.
KEPT_S = 600


def document(settings: Settings, *, version: str, keys: bool, legacy: bool) -> Schema:
    """`keys`: whether keys are asked for; `legacy`: whether old paths are there."""
    clean = _clean(settings)
    paths = clean | _watched()
    if keys:
        for methods in clean.values():
            for operation in methods.values():
                operation["security"] = [{"bearer": []}, {"header": []}]
                operation["responses"] |= _problems(401)
    paths |= _old() if legacy else {}
    for path, methods in paths.items():
        for operation in methods.values():
            operation["x-codeSamples"] = examples.of(path, key=keys and path in clean)
    components: Schema = {"schemas": SCHEMAS, "responses": _PROBLEMS}
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
        **({"servers": [{"url": settings.prefix}]} if settings.prefix else {}),
        "paths": paths,
        "components": components,
    }


def _clean(settings: Settings) -> Schema:
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
    model = {
        "name": "model",
        "in": "query",
        "description": (
            "The name of the model that reads, of those that /readyz tells; without it, each "
            "worker's default."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    }
    once = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "A name of the sender's own for this request, such as a UUID. Sent again with the same "
            f"name and pictures within {KEPT_S // 60} minutes, it gets the reply of the "
            "first time, with Idempotent-Replayed: true."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
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
                "parameters": [timeout, model, once],
                "requestBody": {
                    "required": True,
                    "description": (
                        "A picture of a captcha that the fleet's model reads, "
                        f"JPEG, PNG, WebP, BMP or GIF, at most {settings.max_bytes} bytes: raw, as "
                        "the only file of a form, or as base64 in JSON."
                    ),
                    "content": {
                        "image/*": {"schema": file},
                        "application/octet-stream": {"schema": file},
                        "multipart/form-data": {
                            "schema": {"type": "object", "additionalProperties": file}
                        },
                        "application/json": {"schema": record({"image": base64})},
                    },
                },
                "responses": {
                    **_ok("What the fleet reads in it.", "Answer"),
                    **_problems(400, 403, 404, 408, 409, 413, 422, 429, 500, 503, 504),
                },
            }
        },
        "/v1/solve-many": {
            "post": {
                "operationId": "solveMany",
                "summary": "Read a list of captchas, when nobody waits for others.",
                "parameters": [timeout, model, once],
                "requestBody": {
                    "required": True,
                    "description": (
                        f"1 to {most} pictures, each as for /v1/solve. Addresses of pictures are "
                        "refused: nothing is fetched."
                    ),
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "additionalProperties": {"type": "array", "items": file},
                            }
                        },
                        "application/json": {
                            "schema": record(
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
                    "200": {
                        "description": (
                            "Answers, or errors in their places, in the same order; to whom "
                            "accepts NDJSON, a line for each as soon as it is there."
                        ),
                        "content": {
                            "application/json": {"schema": named("Outcomes")},
                            # Of each line; OpenAPI 3.1 has no word for lines.
                            "application/x-ndjson": {"schema": named("Line")},
                        },
                    },
                    **_problems(400, 403, 404, 408, 409, 413, 422, 429, 500, 503),
                },
            }
        },
    }


def _watched() -> Schema:
    def get(name: str, summary: str, responses: Schema) -> Schema:
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
        "/docs": get("docs", "This document as a page.", _text("The page.", "text/html")),
        "/": get("page", "The page, for browsers.", _text("The page.", "text/html")),
    }


def _old() -> Schema:
    """The old servers' paths: always 200, as their clients expect."""
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
                    **_inline("200", "Whatever happens.", reply),
                    **_problems(401, 403, 404, 408, 413, 429, 503),
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


def _inline(status: str, what: str, schema: Schema) -> Schema:
    return {status: {"description": what, "content": {"application/json": {"schema": schema}}}}


def _reply(status: str, what: str, schema: str) -> Schema:
    return _inline(status, what, named(schema))


def _ok(what: str, schema: str) -> Schema:
    return _reply("200", what, schema)


def _text(what: str, kind: str = "text/plain") -> Schema:
    return {"200": {"description": what, "content": {kind: {"schema": {"type": "string"}}}}}


def _problems(*statuses: int) -> Schema:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _problem(what: str, *, retry: bool = False) -> Schema:
    described: Schema = {
        "description": what,
        "content": {problem.MEDIA_TYPE: {"schema": named("Problem")}},
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
    "403": _problem(
        "A page of elsewhere asks, or under a name that is none of the gateway's; or the key is "
        "bound to another model."
    ),
    "404": _problem("Nothing is there, or no worker holds the model that is named."),
    "408": _problem("The body did not come in time."),
    "409": _problem("A request with this idempotency key is being read.", retry=True),
    "413": _problem("More bytes than are accepted."),
    "422": _problem("Another request had this idempotency key."),
    "429": _problem("The key's quota is used up.", retry=True),
    "500": _problem("The networks, or the gateway, failed on it."),
    "503": _problem("Too much at once, or no fleet there.", retry=True),
    "504": _problem("No answer in time."),
}
