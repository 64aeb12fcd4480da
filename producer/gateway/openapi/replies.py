"""What the API replies, by status: a JSON object, text, or a problem (RFC 9457)."""

from producer.gateway import problem
from producer.gateway.openapi.schemas import Schema, named


def inline(status: str, what: str, schema: Schema) -> Schema:
    """`what`: when it is sent. `schema`: of the JSON object."""
    return {status: {"description": what, "content": {"application/json": {"schema": schema}}}}


def reply(status: str, what: str, schema: str) -> Schema:
    """The same with one of `SCHEMAS`, by its name."""
    return inline(status, what, named(schema))


def ok(what: str, schema: str) -> Schema:
    """The same where all is well."""
    return reply("200", what, schema)


def text(what: str, kind: str = "text/plain") -> Schema:
    """`kind`: the media type."""
    return {"200": {"description": what, "content": {kind: {"schema": {"type": "string"}}}}}


def problems(*statuses: int) -> Schema:
    """References to `PROBLEMS`."""
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


#: Each status of an error, for `components`.
PROBLEMS = {
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
