"""The objects that the API sends, as JSON Schema: what `openapi` refers to by name."""

from typing import Any

from producer.gateway import problem
from tilefleet import wire

Schema = dict[str, Any]


def record(properties: Schema, *, optional: list[str] | None = None) -> Schema:
    """A JSON object with these and no other properties, all there but for the optional ones."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in (optional or [])],
        "additionalProperties": False,
    }


def named(name: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_ERROR = record({"type": {"type": "string"}, "message": {"type": "string"}})
_PLACE = {**_COUNT, "description": "In the list that was sent, from 0."}

SCHEMAS: Schema = {
    "Answer": record(
        {
            "words": {
                "type": "array",
                "items": named("Reading"),
                "minItems": 1,
                "maxItems": 2,
                "description": "What the header asks for.",
            },
            "tiles": {
                "type": "array",
                "items": named("Reading"),
                "minItems": 1,
                "description": "Row by row.",
            },
            "picks": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
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
                "description": "Where to click for each pick: x, y in the picture's own pixels.",
            },
            "confidence": {**_PROBABILITY, "description": "That the picks are exactly right."},
            "model": {"type": "string", "examples": ["builtin@3f2a9c1e"]},
            "grid": record(
                {
                    "rows": {"type": "integer", "minimum": 1},
                    "columns": {"type": "integer", "minimum": 1},
                    "lefts": {"type": "array", "items": {"type": "integer"}},
                    "tops": {"type": "array", "items": {"type": "integer"}},
                    "tile": {
                        "type": "array",
                        "items": {"type": "integer"},
                        "minItems": 2,
                        "maxItems": 2,
                        "description": "Width and height.",
                    },
                }
            ),
            "timing": record(
                {
                    "queued_ms": {"type": "number", "minimum": 0},
                    "pass_ms": {"type": "number", "minimum": 0},
                    "pass_size": {"type": "integer", "minimum": 1},
                }
            ),
        },
        optional=["grid", "timing"],
    ),
    "Reading": record(
        {"label": {"type": "string", "examples": ["电子秤"]}, "confidence": _PROBABILITY}
    ),
    "Outcomes": {
        "type": "array",
        "items": {"oneOf": [named("Answer"), named("ErrorInList")]},
    },
    "Line": {
        "oneOf": [
            record({"index": _PLACE, "answer": named("Answer")}),
            record({"index": _PLACE, "error": _ERROR}),
        ]
    },
    "ErrorInList": record({"error": _ERROR}),
    "Fleet": record(
        {
            "workers": _COUNT,
            "captchas_per_second": {
                "type": "number",
                "minimum": 0,
                "description": "Of all workers when they have more than enough; 0 while unknown.",
            },
            "waiting": {
                **record({wire.LANE: _COUNT, wire.BULK_LANE: _COUNT}),
                "description": "By lane, of all models together.",
            },
            "models": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Names of those that workers hold; of a bound key, its own.",
            },
            "drain_seconds": {
                "type": ["number", "null"],
                "description": "Until all that waits is read; null while nobody knows.",
            },
            "answered": {**_COUNT, "description": "Captchas, by this gateway since it began."},
        }
    ),
    "Problem": record(
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
