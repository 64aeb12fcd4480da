"""What every benchmark prints: where it ran, its caveats, one table of medians; or JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any


def machine() -> str:
    """The processor, its cores, and the versions that matter."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    packages = ", ".join(f"{name} {version(name)}" for name in ("celery", "kombu", "redis"))
    processor = names[0] if names else platform.processor()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def show(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    caveats: Sequence[str],
    as_json: bool,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Print a Markdown table, or the same as one JSON object."""
    if as_json:
        listed = [dict(zip(columns, row, strict=True)) for row in rows]
        print(json.dumps({"title": title, "machine": machine(), "rows": listed, **(extra or {})}))
        return
    print(f"## {title}\n\n{machine()}\n")
    print("| " + " | ".join(columns) + " |\n" + "|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(_cell(value) for value in row) + " |")
    print("\n" + "\n".join(f"- {caveat}" for caveat in caveats))


def spread(values: Sequence[float]) -> str:
    """``median (least to most)``."""
    return f"{_cell(median(values))} ({_cell(min(values))} to {_cell(max(values))})"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
