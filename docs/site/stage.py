"""Lay out the sources of the site: `python docs/site/stage.py FOLDER`, before `sphinx-build`.

The pages of `docs/` stay readable where they are: their links lead to files of the repository. Here
they are copied beside the pages of `benchmarks/results/` and of the public names, and a link that
leaves them leads to the page of that file, or else to the file at the public address.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import measured
import names

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
RESULTS = ROOT / "benchmarks/results"
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
FENCE = re.compile(r"(^ *```.*?^ *```\s*?$)", re.MULTILINE | re.DOTALL)


def stage(target: Path) -> None:
    """Write pages, pictures and data below a folder."""
    address = public_address()
    for path in sorted(DOCS.rglob("*")):
        if path.suffix in (".png", ".csv") or path.match("howto/*.py"):
            _copy(path, target / path.relative_to(DOCS))
    for path in sorted(RESULTS.rglob("*.png")):
        _copy(path, target / "results" / path.relative_to(RESULTS))
    for place, source in sources().items():
        text = source.read_text(encoding="utf-8")
        text = with_links(text, lambda link, at=source: moved(link, at, address))
        _write(target / place, without_empty_patterns(text, source.parent))
    for place, text in {**measured.pages(RESULTS), **names.pages(ROOT)}.items():
        _write(target / place, text)


def sources() -> dict[str, Path]:
    """Return the files that become pages, by their place in the site."""
    pages = {str(path.relative_to(DOCS)): path for path in DOCS.rglob("*.md")}
    results = {f"results/{path.relative_to(RESULTS)}": path for path in RESULTS.rglob("*.md")}
    return dict(sorted({**pages, **results}.items()))


def links(text: str) -> Iterator[str]:
    """Yield the targets of links and pictures, code aside."""
    for part in FENCE.split(text)[::2]:
        yield from (found[1] for found in re.findall(LINK, part))


def with_links(text: str, change: Callable[[str], str]) -> str:
    """Return a page whose links are changed, code aside."""
    parts = FENCE.split(text)
    parts[::2] = [
        LINK.sub(lambda found: found[1] + change(found[2]) + found[3], part) for part in parts[::2]
    ]
    return "".join(parts)


def moved(link: str, source: Path, address: str) -> str:
    """Return where a link of a file leads in the site."""
    if re.match(r"\w+:|#", link):
        return link
    path, mark, place = link.partition("#")
    target = (source.parent / path).resolve()
    here = _place(source).parent
    if _place(target) is not None:
        return os.path.relpath(_place(target), here).replace(os.sep, "/") + mark + place
    kind = "tree" if target.is_dir() else "blob"
    return f"{address}/{kind}/main/{target.relative_to(ROOT).as_posix()}{mark}{place}"


def without_empty_patterns(text: str, folder: Path) -> str:
    """Return a page without the patterns of its toctrees that no page matches."""
    is_empty = re.compile(r"^([\w/]*\*)\n", re.MULTILINE)
    return is_empty.sub(lambda found: found[0] if [*folder.glob(f"{found[1]}.md")] else "", text)


def public_address() -> str:
    """Return the address of the repository, which pyproject.toml has alone."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^Source = "(https://[^"]+)"$', project, re.MULTILINE)[1]


def _place(path: Path) -> Path | None:
    """Return a file's place in the site; None: it is not there."""
    if path.suffix not in (".md", ".png", ".csv"):
        return None
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS)
    if path.is_relative_to(RESULTS) and path.suffix != ".csv":
        return "results" / path.relative_to(RESULTS)
    return None


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
