"""For every path a request that works as it stands: as a curl command, and for the page to send.

`Example` says how pictures travel; the command takes them from a file captcha.jpg, the page at
/docs from its own samples.
"""

from dataclasses import dataclass

from producer.gateway.openapi.schemas import Schema

#: The address in commands; the page puts its own there.
ADDRESS = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Example:
    """One request."""

    label: str
    #: How pictures travel: "raw", "form", "json", "urlencoded"; none: a request without a body.
    body: str = ""
    #: What they are called there, and how many there are.
    field: str = ""
    pictures: int = 1
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""


_RAW = Example("A picture as it is", "raw", query="?timeout=5")
_FORM = Example("A form with a file", "form", "image")
_JSON = Example("JSON with base64", "json", "image")
_ONCE = Example(
    "Safe to repeat", "raw", headers=(("Idempotency-Key", "a-name-of-your-own-for-this-request"),)
)
_LIST = Example("JSON with a list", "json", "images", pictures=2)
_FILES = Example("A form with files", "form", "images", pictures=2)
_LINES = Example("Answers as they come", "form", "images", 2, (("Accept", "application/x-ndjson"),))
_GET = Example("Ask")

EXAMPLES = {
    "/v1/solve": (_RAW, _FORM, _JSON, _ONCE),
    "/v1/solve-many": (_LIST, _FILES, _LINES),
    "/healthz": (_GET,),
    "/readyz": (_GET,),
    "/metrics": (_GET,),
    "/openapi.json": (_GET,),
    "/docs": (_GET,),
    "/": (Example("Ask as a browser does", headers=(("Accept", "text/html"),)),),
    "/verify/base64/": (Example("A form with base64", "urlencoded", "imageFile"),),
    "/check": (Example("A form with base64", "urlencoded", "img"),),
    "/check/": (Example("A form with base64", "urlencoded", "img"),),
    "/result/pic": (Example("A form with a file", "form", "file"),),
    "/result/base64": (Example("A form with base64", "urlencoded", "base64String"),),
    "/predict/pic": (Example("A form with a file", "form", "file"),),
    "/predict/base64": (Example("A form with base64", "urlencoded", "base64String"),),
}


def of(path: str, *, key: bool) -> list[Schema]:
    """The examples of a path, as extensions of OpenAPI: ``x-codeSamples`` (as other programs that
    show such documents know them), each with what the page needs to send it. `key`: whether the
    path asks for one."""
    return [
        {
            "lang": "Shell",
            "label": each.label,
            "source": _command(path, each, key=key),
            "x-request": {
                "body": each.body,
                "field": each.field,
                "pictures": each.pictures,
                "headers": dict(each.headers),
                "query": each.query,
            },
        }
        for each in EXAMPLES[path]
    ]


def _command(path: str, example: Example, *, key: bool) -> str:
    headers = [f"--header '{name}: {value}'" for name, value in example.headers]
    if key:
        headers.append('--header "X-API-Key: $KEY"')
    before, options = _body(example)
    address = f"'{ADDRESS}{path}{example.query}'"
    return before + " ".join(["curl --fail-with-body", *headers, *options, address])


def _body(example: Example) -> tuple[str, list[str]]:
    """What comes before curl, and its options for the body."""
    if example.body == "raw":
        return "", ["--data-binary @captcha.jpg"]
    if example.body == "form":
        return "", [f"--form {example.field}=@captcha.jpg"] * example.pictures
    if example.body == "json":
        value = '"&"'
        if example.pictures > 1:
            value = f"[{', '.join([value] * example.pictures)}]"
        text = f"base64 --wrap=0 captcha.jpg | sed 's/.*/{{\"{example.field}\": {value}}}/' |\n  "
        return text, ["--json @-"]
    if example.body == "urlencoded":
        text = "base64 --wrap=0 captcha.jpg |\n  "
        return text, [f"--data-urlencode {example.field}@-"]
    return "", []
