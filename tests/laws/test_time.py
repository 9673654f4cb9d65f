"""Nothing after an origin, but what is known ahead, changes anything before it."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from pytorch_forecasting import MAE, MASE, GroupNormalizer
from pytorch_forecasting.data import TorchNormalizer

from drnn_forecast import DilatedRNNForecaster, ForecastData, SeasonalNaive, backtest, compare
from drnn_forecast.evaluation import dilated_rnn, evaluate
from laws.drawing import law

LENGTH, HORIZON = 60, 4
WINDOWS = {"horizon": HORIZON, "context_length": 14, "validation_windows": 2}
QUICK = {"max_epochs": 1, "steps_per_epoch": 2, "batch_size": 32, "progress": False}
ROLES = {
    "series": "id",
    "time": "day",
    "target": "y",
    "known": ["price"],
    "observed": ["visits", "mood", "count"],
}
GAPS = {"a": [9, 10, 11, 30, 46, 47, 51, 55, 56], "b": [20, 45, 54, 55]}


def whole(seed=0):
    """Return days of two series; its columns are of several kinds."""
    rng, parts = np.random.default_rng(seed), []
    for number, name in enumerate(("a", "b")):
        columns = {
            "id": name,
            "day": pd.date_range("2024-01-01", periods=LENGTH),
            "y": 100.0 * (number + 1) + rng.normal(size=LENGTH),
            "price": rng.normal(size=LENGTH),
            "visits": rng.normal(size=LENGTH),
            "count": rng.integers(0, 9, size=LENGTH),
            "mood": rng.choice(["good", "bad"], size=LENGTH),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def gappy(frame, gaps=GAPS):
    """Return the frame without some steps of each series."""
    step = frame.groupby("id").cumcount()
    is_gap = [at in gaps[name] for name, at in zip(frame["id"], step, strict=True)]
    return frame[~np.array(is_gap)].reset_index(drop=True)


def changed(frame, origin):
    """Return the frame with nonsense, from a step on, in every column not known ahead."""
    later = frame["day"] >= pd.Timestamp("2024-01-01") + pd.Timedelta(days=origin)
    frame = frame.copy()
    frame.loc[later, "y"] = 1e4 * np.arange(later.sum())
    frame.loc[later, "visits"] = -7e3
    frame.loc[later, "count"] = 1000
    frame.loc[later, "mood"] = "strange"
    return frame


def take(frame, **roles):
    return ForecastData.from_frame(frame, **{**ROLES, **roles})


@law
@given(
    origin=st.integers(2, LENGTH - 1),
    gaps=st.fixed_dictionaries(
        {name: st.sets(st.integers(1, LENGTH - 2), max_size=25) for name in ("a", "b")}
    ),
)
def test_what_is_missing_stays_empty_and_depends_on_nothing_after_it(origin, gaps):
    honest, leaked = (take(gappy(f, gaps)).history for f in (whole(), changed(whole(), origin)))
    before = honest["day"] < pd.Timestamp("2024-01-01") + pd.Timedelta(days=origin)
    pd.testing.assert_frame_equal(honest[before], leaked[before])
    steps = pd.Timestamp("2024-01-01") + pd.to_timedelta(sorted(gaps["a"]), unit="D")
    for column in ("y", "price", "visits", "count", "mood"):
        marked = honest[column].isna() & (honest["id"] == "a")
        assert honest["day"][marked].tolist() == steps.tolist()


OPTIONS = {
    "mask": ("mask", {}),
    "zero": ("zero", {}),
    "previous": ("previous", {}),
    "linear": ("linear", {}),
    "lags": ("mask", {"lags": {"y": [7], "visits": [1]}, "target_normalizer": GroupNormalizer()}),
    "by series": (
        "linear",
        {"target_normalizer": GroupNormalizer(groups=["id"]), "add_target_scales": True},
    ),
    "one scale": ("linear", {"target_normalizer": TorchNormalizer()}),
}


@pytest.mark.parametrize(("missing", "options"), OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("origin", [LENGTH - 3 * HORIZON, LENGTH - HORIZON])
def test_windows_before_an_origin_depend_on_nothing_after_it(origin, missing, options):
    splits = [
        take(gappy(frame), missing=missing).split(**WINDOWS, test_windows=1, **options)
        for frame in (whole(), changed(whole(), origin))
    ]
    parts = ["training"] if origin == LENGTH - 3 * HORIZON else ["training", "validation"]
    for part in parts:
        one, other = (
            next(iter(getattr(split, part).to_dataloader(train=False, batch_size=500)))
            for split in splits
        )
        for name, values in one[0].items():
            assert torch.equal(values, other[0][name]), (part, name)
        assert torch.equal(one[1][0], other[1][0])
        assert torch.equal(one[1][1], other[1][1])


@pytest.mark.parametrize("calibrated", [False, True])
def test_no_fold_depends_on_what_comes_after_its_origin(calibrated):
    options = {
        "models": [SeasonalNaive(7)],
        "seeds": [0],
        "folds": 2,
        "scale_season": 7,
        "calibrated": calibrated,
        **{**WINDOWS, "validation_windows": 24 if calibrated else 2},
        **({"step": 1} if calibrated else {}),
        **QUICK,
    }
    if not calibrated:
        options["models"].append(dilated_rnn(hidden_size=4, num_layers=2, learning_rate=0.01))
    honest = backtest(take(gappy(whole())), **options)
    for fold in (0, 1):
        origin = LENGTH - HORIZON - options.get("step", HORIZON) * (1 - fold)
        leaked = backtest(take(gappy(changed(whole(), origin))), **options)
        columns = ["model", "series", "time", *honest.forecasts.filter(regex="^q").columns]
        one, other = (
            found.forecasts.query(f"fold <= {fold}")[columns].reset_index(drop=True)
            for found in (honest, leaked)
        )
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        # MASE is MAE over a denominator that only the past decides.
        bases = [found.scores.query(f"fold <= {fold}") for found in (honest, leaked)]
        one, other = (
            table.pivot_table(index=["model", "fold", "series"], columns="metric", values="value")
            for table in bases
        )
        np.testing.assert_allclose(one["MAE"] / one["MASE"], other["MAE"] / other["MASE"])


@pytest.mark.parametrize("missing", ["mask", "zero", "previous", "linear"])
def test_what_is_missing_is_no_score_and_no_part_of_one(missing):
    comparison = compare(
        take(gappy(whole()), missing=missing),
        models=[SeasonalNaive(7)],
        seeds=[0],
        test_windows=2,
        scale_season=7,
        **WINDOWS,
        **QUICK,
    )
    observed = gappy(whole())
    first = pd.Timestamp("2024-01-01") + pd.Timedelta(days=LENGTH - 2 * HORIZON)
    expected = observed.loc[observed["day"] >= first, ["id", "day", "y"]]
    found = comparison.forecasts.sort_values(["series", "time"])
    assert found["series"].tolist() == expected["id"].tolist()
    assert found["time"].tolist() == expected["day"].tolist()
    np.testing.assert_allclose(found["actual"], expected["y"], rtol=1e-6)
    assert comparison.forecasts.filter(regex="^q").notna().all(axis=None)


def test_only_observed_pairs_scale_an_error():
    model = DilatedRNNForecaster.from_dataset(
        take(whole()).split(**WINDOWS).training,
        hidden_size=4,
        num_layers=2,
        roles=take(whole()).roles.to_dict(),
    )
    table = evaluate(model, take(gappy(whole())), windows=2, scale_season=7)
    target = gappy(whole()).pivot_table(index="day", columns="id", values="y")
    target = target.reindex(pd.date_range("2024-01-01", periods=LENGTH))
    past = target.iloc[: LENGTH - 2 * HORIZON]
    np.testing.assert_allclose(table["MAE"] / table["MASE"], past.diff(7).abs().mean(), rtol=1e-6)


@pytest.mark.parametrize("missing", ["mask", "zero", "previous", "linear"])
@pytest.mark.parametrize("weight", [None, "price"])
def test_a_missing_step_weighs_nothing(weight, missing):
    frame = gappy(whole()).assign(price=lambda rows: rows["price"].abs())
    data = take(frame, missing=missing)
    splits = data.split(**WINDOWS, test_windows=1, **({"weight": weight} if weight else {}))
    for part in (splits.training, splits.validation, splits.test):
        _, (_, weights) = next(iter(part.to_dataloader(train=False, batch_size=500)))
        rows = data.target_rows(part).merge(data.history, on=["id", "day"])
        expected = np.where(rows["y"].isna(), 0.0, rows[weight] if weight else 1.0)
        np.testing.assert_allclose(weights.numpy().ravel(), expected, rtol=1e-6)


def test_what_stands_for_a_missing_target_changes_no_loss():
    splits = take(gappy(whole())).split(**WINDOWS)
    torch.manual_seed(0)
    model = DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, loss=MAE()
    )
    x, (target, weight) = next(
        iter(splits.training.to_dataloader(train=False, batch_size=len(splits.training)))
    )
    out = model(x)["prediction"]
    spoiled = torch.where(weight == 0, 1e6, target)
    one, other = (model.loss(out, (values, weight)) for values in (target, spoiled))
    assert (weight == 0).any()
    torch.testing.assert_close(one, other)


def test_a_loss_without_weights_is_refused_where_targets_are_missing():
    splits = take(gappy(whole())).split(**WINDOWS)
    with pytest.raises(ValueError, match="by which missing targets are left out"):
        DilatedRNNForecaster.from_dataset(splits.training, hidden_size=4, num_layers=2, loss=MASE())
    DilatedRNNForecaster.from_dataset(
        take(whole()).split(**WINDOWS).training, hidden_size=4, num_layers=2, loss=MASE()
    )


@pytest.mark.parametrize("missing", ["mask", "error", "zero", "previous", "linear"])
def test_nothing_is_added_where_nothing_is_missing(missing):
    training = take(whole(), missing=missing).split(**WINDOWS).training
    assert training.weight is None
    assert not [name for name in training.reals if name.startswith("__")]
    assert "allow_missing_targets" not in training.get_parameters()
    x, _ = next(iter(training.to_dataloader(train=False, batch_size=2)))
    assert "encoder_missing" not in x


def test_what_is_missing_travels_with_every_part_of_the_data():
    data = take(gappy(whole()))
    parts = {
        "before": data.before(6),
        "until": data.until("2024-02-20"),
        "future": data.before(6).with_future(
            whole()
            .tail(2)[["id", "day", "price"]]
            .assign(day=lambda rows: rows["day"] + pd.Timedelta(days=5))
        ),
        "again": ForecastData.from_roles(data.history, data.roles),
    }
    columns = ["y", "price", "visits", "mood"]
    whole_history = data.history.set_index(["id", "day"])[columns]
    for name, part in parts.items():
        found = part.history.set_index(["id", "day"])[columns]
        pd.testing.assert_frame_equal(found, whole_history.loc[found.index], obj=name)
        assert np.isnan(part.observed_target).sum() == found["y"].isna().sum() > 0


@pytest.mark.parametrize("is_gappy", [False, True])
def test_a_model_reads_data_with_and_without_gaps(is_gappy):
    frames = [gappy(whole()), whole()]
    trained, other = (take(frame) for frame in (frames if is_gappy else frames[::-1]))
    splits = trained.split(**WINDOWS)
    torch.manual_seed(0)
    model = DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, roles=splits.training.roles
    ).eval()
    assert len(model.forecast(other.before(HORIZON))) == 2 * HORIZON
    again = other.split(like=model, validation_windows=1)
    _, (_, weights) = next(iter(again.training.to_dataloader(train=False, batch_size=500)))
    assert weights is not None
