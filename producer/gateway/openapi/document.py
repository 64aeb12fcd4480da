"""``GET /openapi.json``: the API, described for programs (OpenAPI 3.1).

Written by hand beside the code; a test holds every route, status and reply against it.
"""

from producer.gateway.openapi import examples
from producer.gateway.openapi.legacy import old_paths
from producer.gateway.openapi.replies import PROBLEMS, inline, ok, problems, reply, text
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
                operation["responses"] |= problems(401)
    paths |= old_paths() if legacy else {}
    for path, methods in paths.items():
        for operation in methods.values():
            operation["x-codeSamples"] = examples.of(path, key=keys and path in clean)
    components: Schema = {"schemas": SCHEMAS, "responses": PROBLEMS}
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
                    **ok("What the fleet reads in it.", "Answer"),
                    **problems(400, 403, 404, 408, 409, 413, 422, 429, 500, 503, 504),
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
                    **problems(400, 403, 404, 408, 409, 413, 422, 429, 500, 503),
                },
            }
        },
    }


def _watched() -> Schema:
    def get(name: str, summary: str, responses: Schema) -> Schema:
        return {"get": {"operationId": name, "summary": summary, "responses": responses}}

    return {
        "/healthz": get("healthz", "This process answers.", text("It does.")),
        "/readyz": get(
            "readyz",
            "Whether there are workers.",
            {**ok("There are.", "Fleet"), **reply("503", "There are none.", "Fleet")},
        ),
        "/metrics": get("metrics", "For Prometheus.", text("Metrics.")),
        "/openapi.json": get(
            "document", "This document.", inline("200", "It.", {"type": "object"})
        ),
        "/docs": get("docs", "This document as a page.", text("The page.", "text/html")),
        "/": get("page", "The page, for browsers.", text("The page.", "text/html")),
    }
