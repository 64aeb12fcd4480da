"""What the site has beyond the pages in docs/ (a hook of mkdocs): pages of the repository, too."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_REPOSITORY = Path(__file__).resolve().parent.parent
#: Page of the site → file of the repository, which other pages link to as `../FILE`.
_PAGES = {
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "benchmarks.md": "benchmarks/README.md",
    "examples/index.md": "examples/README.md",
}


def on_files(files: Files, *, config: Any) -> Files:
    for page, source in _PAGES.items():
        text = (_REPOSITORY / source).read_text(encoding="utf-8")
        # From the file's folder, and from the page's, which has no docs/ above it.
        back = "../" * page.count("/")
        text = text.replace("](docs/", f"]({back}").replace("](../docs/", f"]({back}")
        files.append(File.generated(config, page, content=text))
    for path in sorted((_REPOSITORY / "examples").iterdir()):
        if path.is_file() and path.name != "README.md":
            files.append(File.generated(config, f"examples/{path.name}", abs_src_path=str(path)))
    return files


def on_page_content(html: str, **_: Any) -> str:
    # What is drawn in a docstring begins so, for readers of the source.
    return html.replace("<p>::</p>", "")


def on_page_markdown(markdown: str, **_: Any) -> str:
    for page, source in _PAGES.items():
        markdown = markdown.replace(f"](../{source})", f"]({page})")
    return markdown
