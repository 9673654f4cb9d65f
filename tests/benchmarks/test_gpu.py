import pandas as pd
import pytest
import torch

from benchmarks.gpu import run
from drnn_forecast.layers.kernels.gpu import rule
from drnn_forecast.layers.kernels.gpu.operator import HAS_TRITON


@pytest.mark.skipif(not HAS_TRITON, reason="Triton has no wheel for this system")
@pytest.mark.skipif(torch.cuda.is_available(), reason="Triton compiles for the GPU here")
def test_the_script_runs_dry_on_a_cpu(tmp_path):
    assert run.main(["--dry", "--out", str(tmp_path)]) == 0

    tables = {path.stem: pd.read_csv(path) for path in tmp_path.glob("*.csv")}
    assert set(tables) == {"laws", "layers", "training", "forecasts", "rule"}
    assert tables["laws"]["is right"].all()
    assert set(tables["training"]["backend"]) == {"torch", "triton"}
    page = (tmp_path / "gpu.md").read_text()
    assert "A dry run on a CPU" in page
    assert "Left out" not in page
    # What `backend="auto"` would go by is what it reads.
    (found, _) = rule.read_measurements(tmp_path / "rule.csv")
    assert (found.gpu, found.cell, found.units, found.lanes) == ("none", "GRU", 4, 4)
    assert not rule.MEASUREMENTS.exists() or rule.MEASURED


def test_without_a_gpu_the_script_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"no GPU here. Pass `--dry`"):
        run.main(["--out", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
