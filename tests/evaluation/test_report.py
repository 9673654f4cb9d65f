import html
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from drnn_forecast.evaluation.report.findings import findings, setting_rows, warnings
from drnn_forecast.evaluation.report.folder import write_report
from drnn_forecast.evaluation.report.numbers import costs, headline, shown_windows
from drnn_forecast.evaluation.report.pictures import pictures
from drnn_forecast.evaluation.report.tables import tables
from results import MODELS, drawn_results
from servers import find_program

EVIL = "<script>document.title='owned'</script>"
PROBE = """
addEventListener("load", () => {
  const names = () => [...document.querySelectorAll("#table tbody tr")].map((r) => r.cells[0].textContent);
  const header = (text) => [...document.querySelectorAll("#table thead th")].find(
    (cell) => cell.textContent.trim() === text);
  const press = (text) => { header(text).querySelector("button").click(); return names(); };
  const found = { unsorted: names() };
  found.ascending = press("MASE");
  found.state = header("MASE").getAttribute("aria-sort");
  found.descending = press("MASE");
  found.otherState = header("MASE").getAttribute("aria-sort");
  found.text = press("model");
  found.formerState = header("MASE").getAttribute("aria-sort");
  found.widths = [...document.images].map((image) => image.naturalWidth);
  found.hasWords = [...document.images].every((image) => image.alt.length > 20);
  found.requests = performance.getEntriesByType("resource").map((entry) => entry.name)
    .filter((name) => !name.startsWith("data:"));
  found.title = document.title;
  found.overflow = document.documentElement.scrollWidth - innerWidth;
  const place = document.createElement("pre");
  place.id = "probe";
  place.textContent = JSON.stringify(found);
  document.body.append(place);
});
"""


@pytest.fixture(scope="module")
def results():
    models = {**MODELS, "Oracle": 0.5, "Broken": 1.0}
    return drawn_results(
        models=models,
        series=("a", "b", EVIL, "US$ and A$"),
        folds=2,
        undefined=["b"],
        failures={
            ("LSTM", 1): "RuntimeError: no finite loss",
            **{("Broken", seed): "ValueError: <b>bad</b>" for seed in (0, 1, 2)},
        },
    )


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "report"
    return write_report(results, folder, title="Load & more", unit="MW")


def browse(page, script, folder):
    """Return the page's document after a script has run in a browser, and what the console said."""
    chromium = find_program("chromium", package="chromium")
    copy = folder / "page.html"
    copy.write_text(page.read_text().replace("</body>", f"<script>{script}</script></body>"))
    result = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=500,900",
            "--enable-logging=stderr",
            "--dump-dom",
            copy.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )
    return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def browsed(page, tmp_path_factory):
    document, console = browse(page, PROBE, tmp_path_factory.mktemp("browser"))
    found = re.search(r'<pre id="probe">(.*?)</pre>', document, re.DOTALL)
    return {**json.loads(html.unescape(found[1])), "console": console}


def test_the_page_opens_in_a_browser_without_a_word_on_the_console(browsed):
    assert browsed["console"] == []


def test_an_error_on_the_page_would_be_seen(page, tmp_path):
    _, console = browse(page, "throw new Error('planted')", tmp_path)
    assert any("planted" in line for line in console)


def test_every_picture_is_drawn_and_put_into_words(browsed, page):
    assert len(browsed["widths"]) == len(list(page.parent.glob("*.png"))) == 9
    assert min(browsed["widths"]) > 500
    assert browsed["hasWords"]


def test_the_page_asks_for_nothing_else(browsed, page):
    assert browsed["requests"] == []
    sources = re.findall(r'(?:src|href)="([^"]{1,40})', page.read_text())
    assert all(s.startswith("data:image/png;base64,") or s.endswith(".csv") for s in sources)
    assert "default-src 'none'" in page.read_text()


def test_a_click_on_a_header_sorts_and_a_second_one_turns_the_order_round(browsed):
    known = ["Oracle", "DilatedRNN", "LSTM", "Seasonal naive (24)"]
    assert browsed["unsorted"] == [*MODELS, "Oracle", "Broken"]
    assert (browsed["ascending"], browsed["state"]) == ([*known, "Broken"], "ascending")
    # What has no number stays last, whichever way.
    assert (browsed["descending"], browsed["otherState"]) == (
        [*known[::-1], "Broken"],
        "descending",
    )


def test_a_column_of_text_sorts_too_and_one_column_at_a_time_says_so(browsed):
    assert browsed["text"] == sorted(browsed["unsorted"])
    assert browsed["formerState"] is None


def test_a_name_that_holds_html_is_shown_and_not_run(browsed, page):
    assert browsed["title"] == "Load & more"
    assert EVIL not in page.read_text()
    assert "&lt;script&gt;document.title=" in page.read_text()


def test_the_page_fits_the_width_of_a_small_screen(browsed):
    assert browsed["overflow"] <= 0


@pytest.mark.parametrize("name", ["table", "scores", "forecasts", "runs", "significance"])
def test_the_tables_lie_beside_the_page_as_they_were(name, page, results):
    frame = getattr(results, name)
    expected = frame.reset_index() if name == "table" else frame
    read = pd.read_csv(page.parent / f"{name}.csv")
    assert list(read) == list(expected)
    assert len(read) == len(expected)
    numbers = expected.select_dtypes("number").columns
    np.testing.assert_allclose(read[numbers], expected[numbers].astype(float))


def test_pictures_by_fold_need_several_folds():
    names = [p.name for p in pictures(drawn_results(series=("a", "b")), unit="MW")]
    assert "error_by_fold" not in names
    assert names[:2] == ["error_by_horizon", "error_by_series"]


def test_the_same_windows_are_shown_of_every_model(results):
    shown = [p for p in pictures(results, unit="MW") if p.section == "forecasts"]
    assert [p.title for p in shown] == [f"Forecasts of {m}" for m in [*MODELS, "Oracle"]]
    assert len({p.caption for p in shown}) == 1


def test_the_series_shown_are_the_best_the_median_and_the_worst_of_the_best_model():
    results = drawn_results(series=tuple("abcde"))
    scores = results.scores
    chosen = scores[(scores["metric"] == "MASE") & (scores["model"] == "DilatedRNN")]
    order = chosen.groupby("series")["value"].mean().sort_values().index
    shown = shown_windows(results, "MASE")

    assert [window.series for window in shown] == [order[0], order[2], order[4]]
    assert [window.place for window in shown] == [
        f"{word} MASE of DilatedRNN" for word in ("lowest", "median", "highest")
    ]
    assert {window.window for window in shown} == {1}


def test_without_any_scaled_error_the_absolute_one_ranks():
    results = drawn_results(series=("a", "b"), undefined=["a", "b"])
    assert headline(results) == "MAE"
    assert next(iter(pictures(results, unit="MW"))).figure.axes


def test_the_best_of_a_column_is_bold_whoever_it_is():
    results = drawn_results(models={"DilatedRNN": 1.6, "Rival": 1.0})
    summary = tables(results)["table"]
    best = {
        column: row[0].text
        for row in summary.rows
        for column, cell in zip(summary.columns, row, strict=True)
        if cell.is_best
    }
    assert best == dict.fromkeys(["MAE", "MASE", "coverage 80 %"], "Rival")


def test_sentences_say_who_wins_and_who_wins_nothing():
    results = drawn_results(models={"DilatedRNN": 1.6, "Rival": 1.0})
    order, winner, loser = findings(results)

    assert re.fullmatch(r"MASE, best first: Rival 0\.\d+, DilatedRNN 1\.\d+\.", order)
    assert winner == "Rival is best in MAE, MASE and coverage 80 %."
    assert loser == "Best in no column: DilatedRNN."


def test_failures_undefined_scores_and_borrowed_quantiles_are_said(results):
    assert warnings(results) == [
        "LSTM failed in 2 of 6 runs, which its scores leave out: RuntimeError: no finite loss",
        "Broken failed in 6 of 6 runs, which its scores leave out: ValueError: <b>bad</b>",
        "Scores are of the 16 cells (series, fold and seed) that all models have; left out, since "
        "others failed there, are 8 of DilatedRNN, 8 of Seasonal naive (24), 8 of Oracle.",
        "MASE is undefined for 1 of 4 series, left out of its mean: b.",
        "Quantiles of Seasonal naive (24) come from the residuals of validation windows, at each "
        "step; the others are the models' own.",
        "With 4 series no p-value can be below 0.12. The test takes series as independent; those "
        "of one market or region move together, and their p-values are then too small.",
    ]


def test_settings_and_p_values_are_shown(page, results):
    text = html.unescape(page.read_text())
    assert ("seeds", "0, 1, 2") in setting_rows(results)
    assert "hidden_size=40, loss=QuantileLoss()" in text
    assert '<td data-value="0.004" class="number">0.004</td>' in text


def test_columns_in_which_nothing_stands_are_left_out(results):
    without = replace(results, runs=results.runs.assign(failure=None, learning_rate=np.nan))
    assert "failure" in tables(results)["runs"].columns
    assert not {"failure", "learning rate"} & set(tables(without)["runs"].columns)


def test_costs_are_those_of_the_table_for_every_model_with_an_error(results):
    points = costs(results, "MASE")
    expected = results.table["training s"] + results.table["prediction s"]

    assert list(points.index) == [*MODELS, "Oracle"]
    pd.testing.assert_series_equal(points["seconds"], expected.drop("Broken"), check_names=False)


def test_the_coverage_before_calibration_is_shown_and_never_best():
    whole = drawn_results(models={"A": 1.0, "B": 2.0}, series=("a", "b"))
    before = whole.scores[whole.scores["metric"] == "coverage 80 %"]
    before = before.assign(metric="coverage 80 % before", value=0.79 + before["seed"] / 100)
    summary = tables(replace(whole, scores=pd.concat([whole.scores, before])))["table"]
    place = summary.columns.index("coverage 80 % before")

    assert [row[place].text for row in summary.rows] == ["80.0 % ± 1.0"] * 2
    assert not any(row[place].is_best for row in summary.rows)
    assert "Before: without the calibration" in summary.note


def test_metrics_that_lack_the_same_series_share_a_sentence():
    whole = drawn_results(series=("a", "b"), undefined=["a"])
    scaled = whole.scores[whole.scores["metric"] == "MASE"].assign(metric="RMSSE")
    both = replace(whole, scores=pd.concat([whole.scores, scaled]))
    assert "MASE and RMSSE are undefined for 1 of 2 series, left out of their means: a." in (
        warnings(both)
    )


def test_results_without_a_single_forecast_still_make_a_page(tmp_path):
    failures = {(model, seed): "ValueError: no" for model in ("A", "B") for seed in (0, 1)}
    whole = drawn_results(models={"A": 1.0, "B": 1.0, "C": 1.0}, seeds=(0, 1), failures=failures)
    nothing = replace(
        whole,
        scores=whole.scores.head(0),
        forecasts=whole.forecasts.head(0),
        runs=whole.runs[whole.runs["model"] != "C"],
        significance=whole.significance.head(0),
        settings={"models": {"A": "", "B": ""}},
    )
    text = write_report(nothing, tmp_path / "report", title="None", unit="MW").read_text()
    assert "A failed in 2 of 2 runs" in text
    assert "No model gave a forecast." in text


def test_an_existing_folder_is_refused_and_left_alone(results, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="exists; name a new one"):
        write_report(results, tmp_path, title="Load", unit="MW")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_parent_is_refused(results, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        write_report(results, tmp_path / "no" / "report", title="Load", unit="MW")


@pytest.mark.parametrize(("module", "extra"), [("jinja2", "report"), ("matplotlib.figure", "plot")])
def test_a_missing_library_is_named_and_nothing_is_left(module, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install 'drnn-forecast\[{extra}\]'"):
        write_report(drawn_results(series=("a",)), tmp_path / "report", title="Load", unit="MW")
    assert list(tmp_path.iterdir()) == []
