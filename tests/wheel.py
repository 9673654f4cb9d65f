"""A release as a stranger meets it: `python tests/wheel.py FOLDER` uses the wheel in FOLDER.

The wheel is looked into, installed alone in an empty environment and used from an empty folder.
"""

import os
import re
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
SAMPLE = "drnn_forecast/data/europe_load.parquet"

WRITE = """
import drnn_forecast as drnn
frame = drnn.load_sample()
frame[frame["series"].isin(frame["series"].unique()[:2])].groupby("series").tail(1000).to_csv(
    "data.csv", index=False)
"""
USE = """
import pandas as pd
import drnn_forecast as drnn
frame = drnn.load_sample().groupby("series").tail(1000)
data = drnn.ForecastData.from_frame(frame, series="series", time="time", target="load")
model = drnn.train(data, horizon=24, max_steps=3)
forecast = model.forecast(data)
pd.testing.assert_frame_equal(drnn.load(model.save("saved")).forecast(data), forecast)
"""
FLAGS = ["--time", "time", "--target", "load", "--series", "series", "--horizon", "24"]


def look_into(wheel: Path) -> str:
    """Return the version of a wheel that holds the package alone, with absolute links."""
    with zipfile.ZipFile(wheel) as file:
        sizes = {each.filename: each.file_size for each in file.infolist()}
        metadata = next(name for name in sizes if name.endswith(".dist-info/METADATA"))
        text = file.read(metadata).decode("utf-8")
    tops = {name.split("/")[0] for name in sizes}
    links = re.findall(r"\]\(([^)]*)\)", text)
    checks = {
        "only the package and its metadata": tops == {"drnn_forecast", metadata.split("/")[0]},
        "py.typed": "drnn_forecast/py.typed" in sizes,
        "stubs": "drnn_forecast/__init__.pyi" in sizes,
        "a sample under 0.7 MB": sizes[SAMPLE] < 700_000,
        "absolute links": bool(links) and all(link.startswith("https://") for link in links),
    }
    if wrong := [name for name, holds in checks.items() if not holds]:
        raise SystemExit(f"{wheel.name} lacks: {', '.join(wrong)}")
    return re.search(r"^Version: (.*)$", text, re.MULTILINE)[1]


def run(what: str, *command: str | Path, folder: Path) -> str:
    """Return the output of a command, and tell how long it took."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    began = time.perf_counter()
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    print(f"{time.perf_counter() - began:7.2f} s  {what}", flush=True)
    if result.returncode:
        raise SystemExit(f"{result.stdout}\n{result.stderr}"[-5000:])
    return result.stdout


def main(release: Path) -> None:
    """Install and use the one wheel of a folder."""
    (wheel,) = release.glob("*.whl")
    version = look_into(wheel)
    venv.create(release / "venv", with_pip=True, clear=True)
    scripts = release / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python, command = scripts / "python", scripts / "drnn-forecast"
    work = release / "work"
    work.mkdir()
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--constraint", CONSTRAINTS]
    run("install torch", *install, "torch", folder=work)
    run("install the wheel", *install, wheel, folder=work)
    run("pip check", *pip, "check", folder=work)
    if version not in run("--version", command, "--version", folder=work):
        raise SystemExit(f"drnn-forecast --version is not {version}")
    run("--help", command, "--help", folder=work)
    run("import, the first time", python, "-c", "import drnn_forecast", folder=work)
    run("import", python, "-c", "import drnn_forecast", folder=work)
    run("write a CSV", python, "-c", WRITE, folder=work)
    fit = [command, "fit", "data.csv", *FLAGS, "--max_steps", "3", "--out", "model"]
    run("fit", *fit, "--progress", "false", folder=work)
    run("predict", command, "predict", "model", "data.csv", "--out", "forecast.csv", folder=work)
    if len((work / "forecast.csv").read_text().splitlines()) != 1 + 2 * 24:
        raise SystemExit("forecast.csv has not 24 rows for each of two series")
    run("train, save, load, forecast", python, "-c", USE, folder=work)
    run("install the extra plot", *install, f"drnn-forecast[plot] @ {wheel.as_uri()}", folder=work)
    small = ["--max_seconds", "2", "--num_series", "1", "--test_windows", "2"]
    run("demo", command, "demo", *small, "--progress", "false", folder=work)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
