"""Pages of the repository that are part of the site though they are not in docs/ (mkdocs hook)."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_REPOSITORY = Path(__file__).resolve().parent.parent
#: Page of the site → file of the repository, which other pages link to as `../FILE`.
_PAGES = {"changelog.md": "CHANGELOG.md", "benchmarks.md": "benchmarks/README.md"}


def on_files(files: Files, *, config: Any) -> Files:
    for page, source in _PAGES.items():
        text = (_REPOSITORY / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text.replace("](docs/", "](")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    for page, source in _PAGES.items():
        markdown = markdown.replace(f"](../{source})", f"]({page})")
    return markdown
