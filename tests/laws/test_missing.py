"""What is missing is no number: it counts nowhere, and what stands in its place is no matter."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from lightning.pytorch import Trainer
from pytorch_forecasting import EncoderNormalizer, GroupNormalizer
from pytorch_forecasting.data import TorchNormalizer
from torch.utils.data import DataLoader

from drnn_forecast import (
    BatchedTimeSeriesDataSet,
    DilatedRNNForecaster,
    ForecastData,
    SeasonalNaive,
    compare,
    load,
    train,
)
from drnn_forecast.adapters.onnx import network_inputs
from drnn_forecast.data import Facts, interpolated, known_neighbours
from drnn_forecast.evaluation import auto_ets, deepar, evaluate, lstm
from drnn_forecast.host import quiet_lightning
from drnn_forecast.model import QUIET_TRAINER, anchored
from laws.drawing import law

DAYS, HORIZON, SEASON = 240, 7, 7
ROLES = {"series": "shop", "time": "day", "target": "sold"}
COVARIATES = {"known": ["price"], "observed": ["visits", "mood"], "static": ["size"]}


def sales(noise=0.0, *, days=DAYS, seed=0):
    """Return two shops' days with a season of a week and a trend, covariates beside them."""
    rng, step, parts = np.random.default_rng(seed), np.arange(days), []
    for number, shop in enumerate("ab"):
        level = 10.0 * (number + 1)
        sold = level + 3 * np.sin(2 * np.pi * step / SEASON) + 0.01 * step
        columns = {
            "shop": shop,
            "day": pd.date_range("2024-01-01", periods=days),
            "sold": sold + noise * rng.normal(size=days),
            "price": rng.normal(size=days),
            "visits": rng.normal(size=days),
            "mood": rng.choice(["good", "bad"], days),
            "size": float(number),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def at_random(share, seed=0):
    return lambda step: np.random.default_rng(seed).random(len(step)) < share


def between(first, last):
    return lambda step: (step >= first) & (step < last)


PATTERNS = {
    "a tenth at random": at_random(0.1),
    "half at random": at_random(0.5),
    "a hole at the start": between(0, 60),
    "a hole inside": between(120, 150),
    "a hole before the horizon": between(DAYS - 25, DAYS - 12),
    "a hole at the end": between(DAYS - 20, DAYS),
    "all but the ends": between(5, DAYS - 12),
    "every other step": lambda step: step % 2 == 1,
    "every Sunday": lambda step: step % 7 == 6,
}


def without(frame, pattern, columns=("sold",), shops="ab"):
    """Return the frame with columns of some shops empty at some of their steps."""
    step = frame.groupby("shop").cumcount().to_numpy()
    is_gone = pattern(step) & frame["shop"].isin(list(shops)).to_numpy()
    return frame.assign(**{name: frame[name].mask(is_gone) for name in columns})


def take(frame, **options):
    return ForecastData.from_frame(frame, **{**ROLES, **options})


def untrained(data, **options):
    """Return a model that forecasts as its anchors do."""
    splits = data.split(horizon=HORIZON, context_length=56, validation_windows=2)
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, season_length=SEASON, **options
    ).eval()


def validated(model, x, y):
    """Return the loss of a model on a batch."""
    loader = DataLoader([(x, y)], batch_size=None)
    with quiet_lightning():
        trainer = Trainer(**QUIET_TRAINER, accelerator="cpu")
        return trainer.validate(model, loader, verbose=False)[0]["val_loss"]


@pytest.fixture(scope="module")
def knowing():
    """A model that was trained on complete data."""
    return untrained(take(sales()))


@pytest.mark.parametrize(
    ("pattern", "bound"),
    [
        ("a tenth at random", 0.02),
        ("half at random", 0.1),
        ("a hole inside", 0.02),
        ("a hole before the horizon", 0.05),
        ("every Sunday", 0.5),
    ],
)
@pytest.mark.parametrize("is_trained_so", [False, True])
def test_masking_a_series_without_noise_hardly_moves_its_forecast(
    knowing, pattern, bound, is_trained_so
):
    data = take(without(sales(), PATTERNS[pattern]))
    model = untrained(data) if is_trained_so else knowing
    expected, found = model.forecast(take(sales())), model.forecast(data)
    amplitude = 3.0
    assert (found["q0.5"] - expected["q0.5"]).abs().max() < bound * amplitude


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("missing", ["mask", "zero", "previous", "linear"])
def test_no_number_that_is_none_comes_out(pattern, missing):
    frame = without(sales(0.1), PATTERNS[pattern], ["sold", "visits", "mood"])
    frame = without(frame, PATTERNS["a tenth at random"], ["price"])
    data = take(frame, **COVARIATES, missing=missing, future="2024-08-21")
    splits = data.split(
        horizon=HORIZON, context_length=21, validation_windows=2, min_context_length=2
    )
    torch.manual_seed(0)
    model = DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, season_length=SEASON
    )
    for part in (splits.training, splits.validation):
        x, y = next(iter(part.to_dataloader(train=False, batch_size=500)))
        assert all(torch.isfinite(values).all() for values in x.values())
        assert torch.isfinite(y[0]).all()
        assert np.isfinite(validated(model, x, y))
    assert model.eval().forecast(data).notna().all(axis=None)
    table = evaluate(model, data, windows=3)
    assert table[["MAE", "WQL"]].notna().all(axis=None)


@pytest.mark.parametrize("options", [{}, {"relative_loss": True}, {"smoothed_anchors": False}])
def test_what_lies_under_the_mask_changes_nothing(options):
    data = take(without(sales(0.3), PATTERNS["half at random"]))
    model = untrained(data, **options)
    splits = data.split(like=model, validation_windows=2)
    x, (target, weight) = next(iter(splits.training.to_dataloader(train=False, batch_size=64)))
    spoiled = {**x, "encoder_cont": x["encoder_cont"].clone()}
    place = model.hparams.x_reals.index("sold")
    lacks = x["encoder_missing"]
    spoiled["encoder_cont"][..., place][lacks] = 1e4
    other = torch.where(weight == 0, -1e5, target)
    assert lacks.any()
    assert (weight == 0).any()
    one, two = (
        (model(own)["prediction"], validated(model, own, (values, weight)))
        for own, values in ((x, target), (spoiled, other))
    )
    assert torch.equal(one[0], two[0])
    assert one[1] == two[1]


def test_a_loss_is_the_mean_over_known_steps():
    data = take(without(sales(0.3), PATTERNS["half at random"]))
    model = untrained(data, relative_loss=False)
    splits = data.split(like=model, validation_windows=2)
    x, (target, weight) = next(iter(splits.training.to_dataloader(train=False, batch_size=64)))
    output = model(x)["prediction"]
    losses = model.loss.loss(output, target).mean(-1)[weight != 0]
    found = validated(model, x, (target, weight))
    assert found == pytest.approx(losses.mean().item(), rel=1e-5)


def test_windows_without_a_known_target_have_no_score():
    data = take(without(sales(), PATTERNS["a hole at the end"]))
    with pytest.raises(ValueError, match=r"not missing to be scored.*Give more `windows`"):
        evaluate(untrained(data), data, windows=2)
    assert evaluate(untrained(data), data, windows=4)["MAE"].notna().all()


@pytest.mark.parametrize(
    "normalizer",
    [
        EncoderNormalizer(),
        EncoderNormalizer(method="robust"),
        GroupNormalizer(groups=["shop"]),
        TorchNormalizer(method="robust"),
    ],
    ids=repr,
)
def test_only_known_targets_scale(normalizer):
    frame = without(sales(0.3), PATTERNS["half at random"])
    dataset = BatchedTimeSeriesDataSet(
        frame.assign(step=frame.groupby("shop").cumcount()),
        time_idx="step",
        target="sold",
        group_ids=["shop"],
        max_encoder_length=30,
        min_encoder_length=30,
        max_prediction_length=HORIZON,
        time_varying_unknown_reals=["sold"],
        target_normalizer=normalizer,
        allow_missing_targets=True,
    )
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=500)))
    center = x["target_scale"][:, 0].numpy()
    if isinstance(normalizer, EncoderNormalizer):
        known = np.where(x["encoder_missing"], np.nan, x["encoder_target"])
        mean = np.nanmedian if normalizer.method == "robust" else np.nanmean
        expected = mean(known, axis=1)
    elif isinstance(normalizer, GroupNormalizer):
        codes = dataset.transform_values("shop", x["groups"][:, 0], inverse=True, group_id=True)
        expected = frame.groupby("shop")["sold"].mean()[codes].to_numpy()
    else:
        expected = frame["sold"].median()
    np.testing.assert_allclose(center, np.broadcast_to(expected, center.shape), rtol=1e-4)


def test_plain_datasets_take_missing_targets_with_a_mark_beside_them():
    frame = without(sales(), PATTERNS["half at random"], ["sold", "price"])
    frame = frame.assign(step=frame.groupby("shop").cumcount())
    options = {
        "time_idx": "step",
        "target": "sold",
        "group_ids": ["shop"],
        "max_encoder_length": 20,
        "max_prediction_length": 5,
        "time_varying_known_reals": ["price"],
        "time_varying_unknown_reals": ["sold"],
    }
    with pytest.raises(ValueError, match="allow_missing_targets=True"):
        BatchedTimeSeriesDataSet(frame, **options)
    dataset = BatchedTimeSeriesDataSet(frame, **options, allow_missing_targets=True)
    assert {"__missing__sold", "__missing__price"} <= set(dataset.reals)
    x, (_, weight) = next(iter(dataset.to_dataloader(train=False, batch_size=500)))
    mark = x["encoder_cont"][..., dataset.reals.index("__missing__sold")]
    assert torch.equal(mark == 1, x["encoder_missing"])
    first = dataset.decoded_index["time_idx_first_prediction"].to_numpy()
    shops = dataset.decoded_index["shop"].to_numpy()
    known = frame.set_index(["shop", "step"])["sold"].notna()
    expected = [
        [known[shop, at + n] for n in range(5)] for shop, at in zip(shops, first, strict=True)
    ]
    assert torch.equal(weight, torch.tensor(expected, dtype=weight.dtype))
    whole = BatchedTimeSeriesDataSet.from_dataset(
        dataset, sales().assign(step=frame["step"]), stop_randomization=True
    )
    assert whole.reals == dataset.reals
    sample, _ = dataset[3]
    torch.testing.assert_close(sample["encoder_target"], x["encoder_target"][3])
    model = DilatedRNNForecaster.from_dataset(dataset, hidden_size=4, num_layers=2)
    assert torch.isfinite(model.predict(dataset)).all()


@pytest.mark.parametrize("missing", ["mask", "previous"])
def test_missing_values_at_the_end_are_no_future_rows(missing):
    data = take(without(sales(), PATTERNS["a hole at the end"]), missing=missing)
    assert len(data.history) == 2 * DAYS
    assert data.future.empty
    forecast = untrained(data).forecast(data)
    assert forecast["day"].min() == sales()["day"].max() + pd.Timedelta(days=1)


def test_windows_are_held_out_where_targets_are_known():
    data = take(without(sales(), PATTERNS["a hole at the end"]))
    splits = data.split(horizon=HORIZON, context_length=21, validation_windows=2)
    last = sales()["day"].min() + pd.Timedelta(days=DAYS - 20 - 1)
    expected = [last - pd.Timedelta(days=days - 1) for days in (2 * HORIZON, HORIZON)]
    assert splits.origins["day"].tolist() == 2 * expected
    _, (_, weight) = next(iter(splits.validation.to_dataloader(train=False)))
    assert weight is None or (weight == 1).all()


def test_future_rows_are_named_by_a_known_covariate_or_an_argument():
    frame = without(sales(), PATTERNS["a hole at the end"])
    named = take(frame, known=["price"])
    assert len(named.future) == 40
    cut = take(frame, known=["price"], future=pd.Timestamp("2024-08-18"))
    assert cut.history["day"].max() == pd.Timestamp("2024-08-17")
    assert cut.history["sold"].isna().sum() == 20
    unknown = take(without(frame, PATTERNS["a hole at the end"], ["price"]), known=["price"])
    assert unknown.future.empty


def test_nothing_is_read_before_the_first_target():
    frame = without(sales(0.1), PATTERNS["a hole at the start"], shops="a")
    data = take(frame)
    assert data.history.groupby("shop").size().tolist() == [DAYS - 60, DAYS]
    cut = frame[~((frame["shop"] == "a") & frame["sold"].isna())]
    pd.testing.assert_frame_equal(data.history, cut.reset_index(drop=True))


def test_a_hole_longer_than_the_context_is_forecast_from_what_was_before_it():
    data = take(without(sales(), between(DAYS - 80, DAYS)))
    forecast = untrained(data).forecast(data)
    levels = forecast.groupby("shop")["q0.5"].mean()
    assert levels["a"] == pytest.approx(10, abs=5)
    assert levels["b"] == pytest.approx(20, abs=5)


@pytest.mark.parametrize("missing", ["mask", "previous"])
def test_a_missing_covariate_is_the_last_one_before_it(missing):
    frame = without(sales(), PATTERNS["every other step"], ["price", "visits"])
    training = (
        take(frame, **COVARIATES, missing=missing)
        .split(horizon=HORIZON, context_length=14, validation_windows=1)
        .training
    )
    for name in ("price", "visits"):
        values = training.data["reals"][:, training.reals.index(name)]
        assert torch.equal(values[1::2][:100], values[::2][:100])
        marked = f"__missing__{name}" in training.reals
        assert marked == (missing == "mask")
        if marked:
            mark = training.data["reals"][:, training.reals.index(f"__missing__{name}")]
            assert mark[:100].tolist() == [0.0, 1.0] * 50
        known = frame.dropna(subset=[name])
        last = training.data["time"].max().item()
        known = known[
            known.groupby("shop")["day"].transform(lambda d: (d - d.min()).dt.days) <= last
        ]
        assert training.get_parameters()["scalers"][name].mean_ == pytest.approx(known[name].mean())


def test_a_known_covariate_that_the_history_lacks_is_read_as_the_last_one(caplog):
    model = untrained(take(sales(), known=["price"]))
    late = take(without(sales(), between(DAYS - 3, DAYS), ["price"]), known=["price"])
    assert model.forecast(late.before(HORIZON)).notna().all(axis=None)
    (record,) = caplog.records
    assert "No value of covariate 'price' was missing in training" in record.getMessage()


@pytest.mark.parametrize("missing", ["mask", "error"])
def test_a_known_covariate_must_be_known_in_the_rows_to_forecast(missing):
    frame = sales()
    later = frame.tail(2).drop(columns="sold").assign(price=[1.0, np.nan])
    later["day"] += pd.Timedelta(days=2)
    with pytest.raises(ValueError, match="Known covariate 'price' must have a finite value"):
        take(frame, known=["price"], missing=missing, future=later)


@pytest.mark.parametrize("season", [1, 3])
@law
@given(known=st.lists(st.booleans(), min_size=1, max_size=14))
def test_neighbours_are_the_nearest_known_steps_whole_seasons_away(season, known):
    before, after = known_neighbours(torch.tensor([known]), season)
    for step in range(len(known)):
        early = [s for s in range(step - season, -1, -season) if known[s]]
        late = [s for s in range(step + season, len(known), season) if known[s]]
        assert before[0, step] == (early or [-1])[0]
        assert after[0, step] == (late or [len(known)])[0]


@law
@given(known=st.lists(st.booleans(), min_size=1, max_size=14).filter(any), seed=st.integers(0, 99))
def test_lines_are_drawn_as_numpy_draws_them(known, seed):
    values = torch.randn(1, len(known), generator=torch.Generator().manual_seed(seed))
    mask = torch.tensor([known])
    expected = np.interp(np.arange(len(known)), np.flatnonzero(known), values[mask].numpy())
    found = interpolated(values.masked_fill(~mask, 1e9), mask)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(found[mask], values[mask])


@pytest.mark.parametrize("pattern", ["half at random", "a hole inside", "a hole at the end"])
def test_a_gap_in_a_season_with_a_trend_is_filled_with_it(pattern):
    step = np.arange(DAYS)
    history = torch.tensor(np.sin(2 * np.pi * step / SEASON) + 0.01 * step).unsqueeze(0)
    known = torch.from_numpy(~PATTERNS[pattern](step)).unsqueeze(0)
    found = anchored(history.masked_fill(~known, 1e9), known, [SEASON])
    assert torch.equal(found[known], history[known])
    assert (found - history).abs().max() < 0.3


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_seasons_show_in_what_is_known(share):
    data = take(without(sales(0.5), at_random(share)))
    assert data.facts(HORIZON).seasons == take(sales(0.5)).facts(HORIZON).seasons == (SEASON,)


def test_facts_of_a_dataset_are_those_of_its_rows():
    values = sales(0.5)["sold"].mask(at_random(0.3)(np.arange(2 * DAYS))).to_numpy()
    sizes = np.array([DAYS, DAYS])
    assert Facts.of(values, sizes, HORIZON).num_steps == 2 * DAYS
    assert not Facts.of(values, sizes, HORIZON).is_signed


def test_an_exported_network_is_refused_windows_with_gaps():
    data = take(without(sales(0.3), PATTERNS["half at random"]))
    model = untrained(data)
    x, _ = next(iter(data.split(like=model, validation_windows=2).validation.to_dataloader(False)))
    with pytest.raises(ValueError, match=r"must not lack targets.*missing='linear'"):
        network_inputs(model, x)


@pytest.mark.parametrize("missing", ["mask", pytest.param("linear", marks=pytest.mark.slow)])
def test_a_life_with_gaps(tmp_path, missing):
    frame = without(sales(0.3), PATTERNS["half at random"], ["sold", "price", "visits", "mood"])
    data = take(frame, **COVARIATES, missing=missing).before(HORIZON)
    model = train(data, HORIZON, max_steps=4, progress=False)
    expected = model.forecast(data)
    assert expected.notna().all(axis=None)
    model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(load(tmp_path / "model").forecast(data), expected)
    raw = model.forecast(frame, origin=data.future["day"].min())
    pd.testing.assert_frame_equal(raw, expected)
    assert evaluate(model, data, windows=3)["MAE"].notna().all()
    report = model.update(data, max_seconds=1, progress=False)
    assert np.isfinite([report.before, report.after]).all()


def test_every_contender_forecasts_data_with_gaps():
    quick = {"learning_rate": 0.01, "hidden_size": 4}
    models = [auto_ets(SEASON), SeasonalNaive(SEASON), lstm(**quick), deepar(**quick)]
    result = compare(
        take(without(sales(0.3), PATTERNS["half at random"])),
        models=models,
        horizon=HORIZON,
        context_length=28,
        validation_windows=2,
        test_windows=2,
        seeds=[0],
        scale_season=SEASON,
        max_epochs=1,
        steps_per_epoch=2,
        batch_size=8,
        progress=False,
    )
    assert result.forecasts.filter(regex="^q").notna().all(axis=None)
    assert set(result.forecasts["model"]) == {model.name for model in models}
