"""Memory that is foreseen, and refused where there is too little of it."""

import sys

import pytest
from pytorch_forecasting import RecurrentNetwork

from drnn_forecast import DilatedRNNForecaster, fit
from drnn_forecast.evaluation.comparison.peak import with_peak_memory
from drnn_forecast.training import foreseen
from series import make_dataset, planted_frame

CASES = [
    ({"max_encoder_length": 400, "max_prediction_length": 24}, {"hidden_size": 40}, 256),
    ({"max_encoder_length": 800, "max_prediction_length": 24}, {"hidden_size": 80}, 64),
    ({"max_encoder_length": 400, "max_prediction_length": 300}, {"head_size": 256}, 64),
]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the highest memory so far")
@pytest.mark.parametrize(("windows", "settings", "batch"), CASES, ids=["many", "wide", "far"])
def test_a_step_takes_about_what_was_foreseen(windows, settings, batch):
    dataset = make_dataset(planted_frame(length=1500), **windows)
    options = {"season_length": (24,), "head_size": 64, **settings}
    model = DilatedRNNForecaster.from_dataset(dataset, **options).train()
    x, y = next(iter(dataset.to_dataloader(True, batch, num_workers=0)))

    def step():
        model.loss(model(x)["prediction"], y).backward()

    _, taken = with_peak_memory(step)
    assert taken / 2.5 < foreseen.step_bytes(model, dataset, batch) / 1e6 < 2.5 * taken


def test_what_does_not_fit_is_refused_with_the_figures(monkeypatch):
    dataset = make_dataset()
    monkeypatch.setattr(foreseen, "available_bytes", lambda: 10**6)
    with pytest.raises(ValueError, match=r"`batch_size` must be lower: .* needs about .* GB"):
        fit(lambda: DilatedRNNForecaster.from_dataset(dataset), dataset, None, max_steps=1)


def test_the_windows_of_any_model_are_foreseen(monkeypatch):
    dataset = make_dataset()
    needed = foreseen.window_bytes(dataset, 16)
    monkeypatch.setattr(foreseen, "available_bytes", lambda: needed - 1)
    with pytest.raises(ValueError, match=r"`batch_size` must be lower: .* needs more than .* GB"):
        fit(
            lambda: RecurrentNetwork.from_dataset(dataset),
            dataset,
            None,
            max_steps=1,
            batch_size=16,
        )
    x, _ = next(iter(dataset.to_dataloader(False, 16, num_workers=0)))
    read = ("encoder_cont", "decoder_cont", "encoder_cat", "decoder_cat")
    assert needed <= sum(x[name].nbytes for name in read) <= 1.3 * needed


def test_a_system_that_does_not_tell_refuses_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(foreseen, "MEMORY", tmp_path / "none")

    assert foreseen.available_bytes() is None


@pytest.mark.parametrize(("limit", "expected"), [("max", 900), ("1500", 450), ("9999999", 900)])
def test_a_container_has_the_memory_of_its_limit(monkeypatch, tmp_path, limit, expected):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 1 kB\n")
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("1000")
    monkeypatch.setattr(foreseen, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(foreseen, "GROUP", tmp_path)

    assert foreseen.available_bytes() == pytest.approx(expected, rel=0.03)
