"""The pages of the public names, by area, made of the stubs that export them."""

from __future__ import annotations

import ast
from pathlib import Path

AREAS = {
    "data": ("Data", "Frames with roles, their windows, and datasets of them."),
    "model": (
        "Models",
        "What `train` returns and `load` reads, and its recipe.",
    ),
    "training": ("Training", "From data to a model, and on with newer data."),
    "evaluation": ("Evaluation", "Scores, the other models, and comparisons on the same windows."),
    "layers": ("Layers", "The paper: torch modules alone, and the arithmetic of their memory."),
    "scale": ("Beyond one process", "Forecasts of datasets that no memory holds."),
    "adapters": ("Other runtimes", "What takes a model elsewhere."),
}
WHOLE = ("evaluation", "layers", "scale")
"""Areas of which all exports are for users, not the names at the top alone."""

MORE = {"training": ("update", "drift", "UpdateReport", "Drift")}
"""What methods of a model lead to."""

ONLY_HERE = ("checked_", "compile_", "kernels_", "settle_", "resolve_")
"""How names begin that areas export for one another."""


def pages(root: Path) -> dict[str, str]:
    """Return the pages by their place in the site."""
    return {f"api/{area}.md": page(area, public(root / "drnn_forecast", area)) for area in AREAS}


def public(package: Path, area: str) -> dict[str, str]:
    """Return the names of an area and the module where a user imports each, sorted."""
    found = dict.fromkeys(MORE.get(area, ()), f"drnn_forecast.{area}")
    if area in WHOLE:
        exports = _exports(package / area / "__init__.pyi")
        found |= {
            name: f"drnn_forecast.{area}"
            for names in exports.values()
            for name in names
            if not name.startswith(ONLY_HERE)
        }
    found |= dict.fromkeys(_exports(package / "__init__.pyi").get(area, ()), "drnn_forecast")
    return dict(sorted(found.items(), key=lambda item: (item[0].lower(), item[0])))


def page(area: str, found: dict[str, str]) -> str:
    """Return the page of an area, whose texts autodoc takes from the docstrings."""
    title, sentence = AREAS[area]
    lines = [f"# {title}", "", sentence, "", "```{eval-rst}"]
    for name, module in found.items():
        kind = _kind(name)
        lines += [f".. {kind}:: {module}.{name}", *_OPTIONS[kind], ""]
    return "\n".join([*lines, "```", ""])


_OPTIONS = {"autoclass": ("   :members:",), "autofunction": (), "autodata": ("   :no-value:",)}


def _kind(name: str) -> str:
    if name.isupper():
        return "autodata"
    return "autoclass" if name[0].isupper() else "autofunction"


def _exports(stub: Path) -> dict[str, list[str]]:
    """Return the names that a stub exports, by the module after the dot."""
    found: dict[str, list[str]] = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found.setdefault(node.module, []).extend(alias.name for alias in node.names)
    return found
