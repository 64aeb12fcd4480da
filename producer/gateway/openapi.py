from typing import Any

from models.settings import Settings


def document(settings: Settings) -> dict[str, Any]:
    return {}
