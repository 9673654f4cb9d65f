"""The site: every page is reached, every link leads somewhere, and numbers come from the results."""

import importlib
import re
import sys
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

import drnn_forecast
from drnn_forecast import evaluation

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
EXECUTED = [DOCS / "start.md", *sorted((DOCS / "howto").glob("*.md"))]
CELL = re.compile(r"^```\{code-cell\} python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MACHINE = re.compile(r"(?<![\w.])/(?:work|home|root|tmp|farm|Users|opt)/\w")


def name_of(path):
    return path.relative_to(DOCS).as_posix()


@pytest.fixture(scope="module")
def stage():
    sys.path.insert(0, str(DOCS / "site"))
    try:
        yield importlib.import_module("stage")
    finally:
        sys.path.remove(str(DOCS / "site"))
        for name in ("stage", "measured", "names"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def site(stage, tmp_path_factory):
    """Return the folder of the site's sources."""
    folder = tmp_path_factory.mktemp("site")
    stage.stage(folder)
    return folder


def listed(page, site):
    """Return the pages that the toctrees of a page list."""
    entries = [
        line
        for block in TOCTREE.findall((site / f"{page}.md").read_text("utf-8"))
        for line in block.splitlines()
        if line and not line.startswith(":")
    ]
    names = [path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.md")]
    found = []
    for entry in entries:
        pattern = (PurePosixPath(page).parent / entry).as_posix()
        matching = [name for name in names if fnmatch(name, pattern)]
        assert matching, f"{entry!r} of {page} is no page"
        found += [n for n in matching if n.count("/") == pattern.count("/")]
    return found


def test_every_page_is_reached_from_the_first_one(site):
    reached, waiting = {"index"}, ["index"]
    while waiting:
        new = set(listed(waiting.pop(), site)) - reached
        reached |= new
        waiting += new

    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.md")}
    assert reached == pages
    assert {name_of(path).removesuffix(".md") for path in PAGES} < pages


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_of_a_page_lead_to_files_of_the_repository(path, stage):
    targets = [link for link in stage.links(path.read_text("utf-8")) if "://" not in link]

    assert not [link for link in targets if not (path.parent / link.partition("#")[0]).exists()]


def test_links_of_the_site_lead_to_its_files_or_to_the_public_address(site, stage):
    for path in site.rglob("*.md"):
        for link in stage.links(path.read_text("utf-8")):
            if "://" not in link:
                assert (path.parent / link.partition("#")[0]).exists(), (path.name, link)
            elif link.startswith(stage.public_address()):
                kind, _, place = link.removeprefix(f"{stage.public_address()}/").partition("/main/")
                assert (ROOT / place).exists()
                assert (ROOT / place).is_dir() == (kind == "tree")


def test_no_page_names_a_place_on_a_machine(site):
    found = {path.name: MACHINE.findall(path.read_text("utf-8")) for path in site.rglob("*.md")}

    assert not {name: places for name, places in found.items() if places}


def test_every_public_name_has_its_place_in_the_reference(site):
    text = "".join(path.read_text("utf-8") for path in (site / "api").glob("*.md"))
    documented = re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE)

    assert len(documented) == len(set(documented))
    names = {name.rpartition(".")[2] for name in documented}
    assert names > {*drnn_forecast.__all__, *evaluation.__all__} - {"__version__"}


@pytest.mark.parametrize(("metric", "counted"), [("MASE", "MASE"), ("WQL", "least WQL")])
def test_the_losses_that_are_shown_are_all_that_the_suite_counts(site, metric, counted):
    suite = (ROOT / "benchmarks/results/suite/suite.md").read_text("utf-8")
    row = re.search(rf"\| {counted} \| both \| (\d+) \| (\d+) .*\| (\S+) ([\d.]+) \|", suite)
    tasks, won, worst, ratio = row.groups()
    shown = (site / f"results/losses-{metric}.txt").read_text("utf-8").splitlines()[2:]

    assert len(shown) == int(tasks) - int(won) > 0
    assert shown[0].startswith(f"| {worst} |")
    assert float(shown[0].split("|")[-2]) == pytest.approx(float(ratio), abs=1e-3)
    assert set(shown) <= set((site / "results/accuracy.md").read_text("utf-8").splitlines())


@pytest.mark.parametrize("path", EXECUTED, ids=name_of)
def test_cells_train_for_seconds_on_data_that_are_at_hand(path):
    text = path.read_text("utf-8")
    code = "\n".join(CELL.findall(text))
    compile(code, path.name, "exec")

    assert text.startswith("---\nfile_format: mystnb\n")
    assert len(CELL.findall(text)) == text.count("```{code-cell}") > 0
    budgets = re.findall(r"max_seconds[= ](\d+)", code)
    trainings = len(re.findall(r"drnn\.(?:train|compare)\(|\.update\(|\"fit ", code))
    assert len(budgets) == trainings
    assert all(int(budget) <= 12 for budget in budgets)
    assert "load_sample()" in code or "../data/" in code
