"""The API, described for programs (OpenAPI 3.1). May import `problem`, `tilefleet`.

`document` has the paths, `legacy` those of old servers, `replies` what comes back by status,
`schemas` the objects that the API sends, `examples` what works when it is sent as it stands.
"""

from producer.gateway.openapi.document import KEPT_S, LONGEST_S, TIMEOUT_S, document

__all__ = ["KEPT_S", "LONGEST_S", "TIMEOUT_S", "document"]
