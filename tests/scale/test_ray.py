"""Forecasts on Ray: those of the frame, though an actor is killed, and without one process for all."""

import importlib.util
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

import drnn_forecast as drnn
from drnn_forecast.scale import forecast_partitions, forecast_ray, on_ray
from parted import by_region, contents, flat, history, model_folder

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="ray is not installed")
EXAMPLE = Path(__file__).parents[2] / "examples" / "many_series.py"
quiet = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture(scope="module")
def cluster():
    """Start a local Ray of two processors."""
    import ray

    paths = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    environ = {"env_vars": {"PYTHONPATH": paths}}
    ray.init(
        num_cpus=3, object_store_memory=on_ray.STORE, include_dashboard=False,
        log_to_driver=False, runtime_env=environ,
    )  # fmt: skip
    yield ray
    ray.shutdown()


def rows(dataset):
    frame = dataset.to_pandas()
    return frame.sort_values(["id", "ds"], ignore_index=True)


@needs_ray
@quiet
def test_forecasts_on_ray_are_those_of_the_frame(cluster, tmp_path):
    by_region(history(), tmp_path / "data")
    expected = drnn.load(model_folder()).forecast(history())

    found = rows(forecast_ray(tmp_path / "data", drnn.load(model_folder()), actors=2))

    # float32 sums in batches of other sizes.
    pd.testing.assert_frame_equal(
        found[expected.columns], expected, check_dtype=False, rtol=1e-5, atol=1e-5
    )


@needs_ray
@quiet
def test_a_killed_actor_loses_and_doubles_no_row(cluster, tmp_path, monkeypatch):
    flat(history(num_series=60), tmp_path / "data", files=60)
    whole = tmp_path / "whole"
    forecast_partitions(model_folder(), tmp_path / "data", whole, progress=False)
    killed = []

    def kill():
        while len(list((tmp_path / "out").glob("part-*"))) < 3:
            time.sleep(0.01)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            if b"ray::" in (line := path.read_bytes()) and b"MapBatches(ForecastActor)" in line:
                killed.append(int(path.parent.name))
                os.kill(killed[0], signal.SIGKILL)
                return

    killer = threading.Thread(target=kill)
    killer.start()
    done = forecast_ray(tmp_path / "data", model_folder(), out=tmp_path / "out", actors=2)
    killer.join()

    assert killed
    assert contents(tmp_path / "out") == contents(whole)
    assert sorted(done.to_pandas()["partition"]) == sorted(set(contents(whole)))[1:]
    again = forecast_ray(tmp_path / "data", model_folder(), out=tmp_path / "out", actors=2)
    assert again.count() == 0


@needs_ray
@quiet
def test_what_the_model_refuses_is_said_with_the_partition(cluster, tmp_path):
    flat(history(), tmp_path / "data")
    with pytest.raises(ValueError, match=r"^part-.\.parquet: `horizon` must be at most the 6 time"):
        forecast_ray(tmp_path / "data", model_folder(), out=tmp_path / "out", horizon=99)


@needs_ray
@quiet
def test_the_example_forecasts_many_series(cluster, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("many_series", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.main(tmp_path, num_series=800, seconds=2, actors=1) == 800 * module.HORIZON

    found = read_example(tmp_path / "forecasts")
    assert len(found) == 800 * module.HORIZON
    assert "11,200 rows in 8 partitions" in capsys.readouterr().out


def read_example(folder):
    return pd.read_parquet(folder).drop_duplicates(["shop", "day"])


@needs_ray
def test_a_cluster_that_does_not_answer_is_named(tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    flat(history(), tmp_path / "data")
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "nowhere"):
        with pytest.raises(
            ConnectionError, match=f"No Ray cluster answers at `address` '{address}'"
        ):
            forecast_ray(tmp_path / "data", model_folder(), address=address)


def test_without_ray_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'drnn-forecast\[ray\]'"):
        forecast_ray(tmp_path, model_folder())
