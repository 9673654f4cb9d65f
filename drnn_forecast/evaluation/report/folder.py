"""Writes the folder of a report: one page that holds everything, and the files beside it."""

from __future__ import annotations

import base64
import io
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drnn_forecast.data import filled
from drnn_forecast.evaluation.comparison.results import Results
from drnn_forecast.evaluation.report.findings import findings, setting_rows, warnings
from drnn_forecast.evaluation.report.pictures import Picture, pictures
from drnn_forecast.evaluation.report.tables import tables

if TYPE_CHECKING:
    import jinja2

PAGE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
RESOLUTION = 120
"""Dots per inch."""


def write_report(results: Results, folder: str | PathLike[str], *, title: str, unit: str) -> Path:
    """Write the results as an HTML page with PNG and CSV files beside it, and return the page.

    The page needs no other file and no network. The folder appears whole or not at all.

    Args:
        results: A comparison or a backtest.
        folder: Must not exist, so that nothing is lost; its parent has to.
        title: Of the page.
        unit: Of the target, such as `"MW"`.

    Raises:
        FileExistsError: The folder exists.
        FileNotFoundError: Its parent does not.
        ImportError: jinja2 or matplotlib is not installed.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"`folder` {str(folder)!r} exists; name a new one.")
    if not folder.parent.is_dir():
        raise FileNotFoundError(
            f"The parent of `folder`, {str(folder.parent)!r}, does not exist; make it first."
        )
    template = _template()
    with filled(folder) as partial:
        files = write_tables(results, partial)
        shown = [_written(picture, partial) for picture in pictures(results, unit=unit)]
        page = template.render(
            title=title,
            unit=unit,
            findings=findings(results),
            warnings=warnings(results),
            tables=tables(results),
            pictures=shown,
            settings=setting_rows(results),
            files=files,
        )
        (partial / PAGE).write_text(page, encoding="utf-8")
    return folder / PAGE


def write_tables(results: Results, folder: Path) -> list[str]:
    """Write the frames of the results as CSV into a folder, and return the files' names."""
    frames = {
        "table": results.table.reset_index(),
        "scores": results.scores,
        "forecasts": results.forecasts,
        "runs": results.runs,
        "significance": results.significance,
    }
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return [f"{name}.csv" for name in frames]


def _template() -> jinja2.Template:
    """Return the page's template, which escapes every text that it is given."""
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            "Reports need jinja2; install it with `pip install 'drnn-forecast[report]'`."
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _written(picture: Picture, folder: Path) -> dict[str, Any]:
    """Write a picture as PNG, and return it as a page shows it."""
    buffer = io.BytesIO()
    picture.figure.savefig(buffer, format="png", dpi=RESOLUTION)
    content = buffer.getvalue()
    (folder / f"{picture.name}.png").write_bytes(content)
    return {
        "section": picture.section,
        "title": picture.title,
        "caption": picture.caption,
        "file": f"{picture.name}.png",
        "source": f"data:image/png;base64,{base64.b64encode(content).decode()}",
    }
