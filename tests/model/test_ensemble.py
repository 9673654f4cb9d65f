import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting.data import MultiNormalizer, NaNLabelEncoder
from pytorch_forecasting.data.encoders import EncoderNormalizer
from pytorch_forecasting.metrics import (
    MAE,
    CrossEntropy,
    MultiLoss,
    NormalDistributionLoss,
    QuantileLoss,
)

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, fit
from seals import sealed
from series import make_dataset, planted_frame

AVERAGES = {"mean": np.mean, "median": np.median}


def make_member(dataset, seed=0, **options):
    torch.manual_seed(seed)
    options = {"hidden_size": 4, "num_layers": 2, **options}
    return DilatedRNNForecaster.from_dataset(dataset, **options).eval()


@pytest.fixture(scope="module")
def dataset():
    return make_dataset(planted_frame(num_series=2, length=90))


@pytest.fixture(scope="module")
def members(dataset):
    return [make_member(dataset, 0), make_member(dataset, 1, num_layers=3), make_member(dataset, 2)]


@pytest.mark.parametrize("average", ["mean", "median"])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("mode", ["prediction", "quantiles"])
def test_forecasts_of_windows_are_averages_in_target_units(members, dataset, mode, size, average):
    chosen = members[:size]
    apart = [member.predict(dataset, mode=mode).numpy() for member in chosen]

    together = Ensemble(chosen, average=average).predict(dataset, mode=mode)
    np.testing.assert_allclose(together, AVERAGES[average](apart, axis=0), rtol=1e-6)
    assert together.dtype == torch.float32


def test_averaged_quantiles_do_not_cross(members, dataset):
    quantiles = Ensemble(members, average="median").predict(dataset, mode="quantiles")
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_an_ensemble_takes_a_loader_and_a_frame_too(members, dataset):
    ensemble = Ensemble(members)
    loader = dataset.to_dataloader(train=False, batch_size=8)
    torch.testing.assert_close(ensemble.predict(loader), ensemble.predict(dataset))

    frame = planted_frame(num_series=2, length=90)
    last = torch.stack([member.predict(frame) for member in members]).mean(0)
    torch.testing.assert_close(ensemble.predict(frame), last)


def test_what_else_is_asked_for_comes_along(members, dataset):
    alone = members[0].predict(dataset, return_index=True, return_y=True)
    together = Ensemble(members).predict(dataset, return_index=True, return_y=True)

    pd.testing.assert_frame_equal(together.index, alone.index)
    torch.testing.assert_close(together.y[0], alone.y[0])
    torch.testing.assert_close(together.output, Ensemble(members).predict(dataset))


def test_samples_are_pooled_from_every_member(dataset):
    # Two members whose quantiles lie far from each other: each sample tells whose it is.
    low, high = make_member(dataset, 0), make_member(dataset, 0)
    for member, shift in ((low, -1e6), (high, 1e6)):
        forward = member.forward

        def shifted(x, forward=forward, shift=shift):
            out = forward(x)
            return out._replace(prediction=out["prediction"] + shift)

        member.forward = shifted
    samples = Ensemble([low, high]).predict(dataset, mode="samples", n_samples=7)

    assert samples.shape[-1] == 7
    assert ((samples > 0).sum(-1) == 3).all()


def test_several_targets_are_averaged_one_by_one():
    frame = planted_frame(num_series=2, length=90)
    data = make_dataset(
        frame,
        target=["target", "other"],
        time_varying_unknown_reals=["target", "other"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
    )
    loss = MultiLoss([QuantileLoss([0.1, 0.5]), MAE()])
    members = [make_member(data, seed, loss=copy.deepcopy(loss)) for seed in (0, 1)]
    together = Ensemble(members).predict(data, mode="quantiles")

    assert [tuple(part.shape[2:]) for part in together] == [(2,), (1,)]
    apart = [member.predict(data, mode="quantiles") for member in members]
    for ours, *theirs in zip(together, *apart, strict=True):
        torch.testing.assert_close(ours, torch.stack(theirs).mean(0))


@pytest.fixture(scope="module")
def hourly():
    time = pd.date_range("2024-01-01", periods=24 * 8, freq="h")
    frame = pd.DataFrame(
        {"Shop": "a", "When": time, "Sold": np.sin(np.arange(len(time)) * 2 * np.pi / 24) + 5}
    )
    data = ForecastData.from_frame(frame, time="When", target="Sold", series="Shop")
    return frame, data, data.split(horizon=12, context_length=24, validation_windows=2)


@pytest.mark.parametrize(
    ("loss", "columns"), [(QuantileLoss([0.1, 0.5]), ["q0.1", "q0.5"]), (MAE(), ["prediction"])]
)
def test_a_forecast_past_the_end_is_the_average_of_the_members(hourly, loss, columns):
    frame, data, splits = hourly
    roles = data.roles.to_dict()
    members = [
        make_member(splits.training, seed, roles=roles, loss=copy.deepcopy(loss))
        for seed in (0, 1, 2)
    ]
    apart = [member.forecast(frame) for member in members]
    together = Ensemble(members, average="median").forecast(frame)

    assert list(together) == ["Shop", "When", *columns]
    pd.testing.assert_frame_equal(together[["Shop", "When"]], apart[0][["Shop", "When"]])
    expected = np.median([part[columns] for part in apart], axis=0)
    np.testing.assert_allclose(together[columns], expected, rtol=1e-6)


def test_an_ensemble_saved_and_loaded_gives_the_same_forecasts(hourly, tmp_path):
    frame, data, splits = hourly
    roles = data.roles.to_dict()
    members = [make_member(splits.training, seed, roles=roles) for seed in (0, 1)]
    ensemble = Ensemble(members, average="median")
    loaded = Ensemble.from_pretrained(ensemble.save_pretrained(tmp_path / "ensemble"))

    assert loaded.average == "median"
    pd.testing.assert_frame_equal(loaded.forecast(frame), ensemble.forecast(frame))


def test_snapshots_of_one_training_run_make_an_ensemble(hourly):
    _, _, splits = hourly

    def build():
        return DilatedRNNForecaster.from_dataset(
            splits.training, hidden_size=4, num_layers=2, learning_rate=1e-2
        )

    quick = {"progress": False, "max_epochs": 4, "steps_per_epoch": 2, "batch_size": 16}
    result = fit(build, splits.training, splits.validation, snapshots=3, **quick)

    assert len(result.snapshots) == 3
    points = [member.predict(splits.validation) for member in result.snapshots]
    torch.testing.assert_close(points[0], result.model.predict(splits.validation))
    assert not torch.equal(points[0], points[1])
    together = Ensemble(result.snapshots).predict(splits.validation)
    torch.testing.assert_close(together, torch.stack(points).mean(0))
    assert fit(build, splits.training, splits.validation, **quick).snapshots == ()


@pytest.mark.parametrize(
    ("data_options", "options", "message"),
    [
        ({"max_prediction_length": 6}, {}, "same horizon, got 12 in the first and 6 in number 2"),
        ({"target": "other"}, {}, r"same targets, got \['target'\] in the first"),
        ({"time_varying_known_reals": []}, {}, "same variables"),
        ({}, {"loss": QuantileLoss([0.1, 0.5])}, "same quantiles"),
        ({}, {"loss": MAE()}, "same quantiles"),
        ({}, {"roles": {"time": "t"}}, "same roles, got None in the first"),
    ],
)
def test_members_that_differ_are_refused_by_what_differs(members, data_options, options, message):
    if "target" in data_options:
        data_options = {**data_options, "time_varying_unknown_reals": ["other"]}
    frame = planted_frame(num_series=2, length=90)
    other = make_member(make_dataset(frame, **data_options), **options)
    with pytest.raises(ValueError, match=message):
        Ensemble([members[0], other])


def test_no_members_are_refused():
    with pytest.raises(ValueError, match="at least one forecaster, got none"):
        Ensemble([])


def test_something_else_is_no_member(members):
    with pytest.raises(TypeError, match="must be DilatedRNNForecasters, got a str"):
        Ensemble([members[0], "model"])


def test_another_average_is_refused(members):
    with pytest.raises(ValueError, match="must be 'mean' or 'median', got 'mode'"):
        Ensemble(members, average="mode")


def test_classes_have_no_average():
    frame = planted_frame(num_series=2, length=90)
    frame["label"] = np.where(frame.other > 0, "up", "down")
    data = make_dataset(
        frame,
        target="label",
        time_varying_unknown_reals=["other"],
        target_normalizer=NaNLabelEncoder(),
    )
    with pytest.raises(ValueError, match=r"classes .* have no average"):
        Ensemble([make_member(data, loss=CrossEntropy())])


@pytest.mark.parametrize("mode", ["raw", ("raw", "encoder_state"), "quantile"])
def test_a_mode_that_has_no_average_is_refused(members, dataset, mode):
    with pytest.raises(ValueError, match="`mode` of an ensemble must be one of"):
        Ensemble(members).predict(dataset, mode=mode)


def test_a_shuffled_loader_is_refused(members, dataset):
    loader = dataset.to_dataloader(train=True, batch_size=8)
    with pytest.raises(ValueError, match="got a loader with a RandomSampler"):
        Ensemble(members).predict(loader)


def test_fewer_samples_than_members_are_refused(members, dataset):
    with pytest.raises(ValueError, match=r"`n_samples` must be at least 3, .* got 2"):
        Ensemble(members).predict(dataset, mode="samples", n_samples=2)


def test_files_of_batches_are_refused(members, dataset, tmp_path):
    with pytest.raises(ValueError, match="`output_dir` must be None"):
        Ensemble(members).predict(dataset, output_dir=str(tmp_path))


def test_quantiles_of_distributions_are_averaged_at_their_levels(dataset):
    loss = NormalDistributionLoss(quantiles=[0.2, 0.8])
    members = [make_member(dataset, seed, loss=copy.deepcopy(loss)) for seed in (0, 1)]
    apart = [member.predict(dataset, mode="quantiles") for member in members]

    together = Ensemble(members).predict(dataset, mode="quantiles")
    torch.testing.assert_close(together, torch.stack(apart).mean(0))


@pytest.fixture
def folder(members, tmp_path):
    return Ensemble(members[:2]).save_pretrained(tmp_path / "ensemble")


def test_a_folder_without_an_ensemble_is_refused(folder):
    with pytest.raises(FileNotFoundError, match=r"holds no Ensemble: 'ensemble\.json' is missing"):
        Ensemble.from_pretrained(folder / "member-0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-5], "is damaged"),
        (
            lambda text: json.dumps(sealed(json.loads(text) | {"class": "Other"})),
            "is the configuration of Other, not of Ensemble",
        ),
        (
            lambda text: json.dumps(sealed(json.loads(text) | {"format_version": 3})),
            "has the format version 3, and this package reads 1 and 2",
        ),
        *(
            (
                lambda text, count=count: json.dumps(sealed(json.loads(text) | {"members": count})),
                "`members` must be a number from 1 to 1000",
            )
            for count in (0, -1, 10**9, "2", None, True)
        ),
        (
            lambda text: json.dumps(sealed(json.loads(text) | {"average": "worst"})),
            "`average` must be 'mean' or 'median', got 'worst'",
        ),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused(folder, change, message):
    path = folder / "ensemble.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message):
        Ensemble.from_pretrained(folder)


def test_a_missing_member_is_refused(folder):
    (folder / "member-1" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"'config\.json' is missing"):
        Ensemble.from_pretrained(folder)
