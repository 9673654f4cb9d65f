import copy
import pickle
import warnings

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, MultiNormalizer
from pytorch_forecasting.metrics import (
    MAE,
    SMAPE,
    MultiLoss,
    NormalDistributionLoss,
    PoissonLoss,
    QuantileLoss,
)

from drnn_forecast.model.forecaster import DilatedRNNForecaster
from series import first_batch, make_dataset, planted_frame

CELLS = ["RNN", "GRU", "LSTM"]
FLOAT = {"rtol": 1e-5, "atol": 1e-5}  # float32 through a recurrence of sixty steps
TRAINER = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def make_model(dataset=None, seed=0, **options):
    torch.manual_seed(seed)
    options = {"hidden_size": 8, "num_layers": 3, "smoothed_anchors": False, **options}
    return DilatedRNNForecaster.from_dataset(dataset or make_dataset(), **options).eval()


def silence(model):
    """Make the head say zero, so that only the anchor speaks."""
    torch.nn.init.zeros_(model.head.output[-1].weight)
    torch.nn.init.zeros_(model.head.output[-1].bias)
    return model


def fit(model, loader, max_epochs, **options):
    trainer = pl.Trainer(max_epochs=max_epochs, **{**TRAINER, **options})
    trainer.fit(model, loader)
    return model.eval()


@pytest.fixture(scope="module")
def dataset():
    return make_dataset()


@pytest.fixture(scope="module")
def batch(dataset):
    return first_batch(dataset)


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_forecast_has_a_row_per_window_a_step_per_horizon_and_a_column_per_quantile(
    dataset, batch, cell_type
):
    model = make_model(dataset, cell_type=cell_type)
    prediction = model(batch[0])["prediction"]

    assert prediction.shape == (16, 12, 7)
    assert torch.isfinite(model.loss(prediction, batch[1]))


@pytest.mark.parametrize("season_length", [24, (12, 24), (24, 48)])
def test_a_silent_head_on_a_planted_season_gives_the_seasonal_naive_forecast(season_length):
    frame = planted_frame(period=12 if season_length == (12, 24) else 24)
    data = make_dataset(frame)
    x, y = first_batch(data)
    model = silence(make_model(data, season_length=season_length))

    expected = y[0].unsqueeze(-1).expand(-1, -1, 7)
    torch.testing.assert_close(model(x)["prediction"], expected, **FLOAT)


@pytest.mark.parametrize("normalizer", [EncoderNormalizer(), GroupNormalizer(groups=["name"])])
def test_the_anchor_speaks_in_the_units_of_the_target(normalizer):
    data = make_dataset(target_normalizer=normalizer, max_prediction_length=30)
    x, _ = first_batch(data)
    model = silence(make_model(data, season_length=24, loss=MAE()))

    history = x["encoder_target"]
    expected = torch.cat([history[:, -24:], history[:, -24:-18]], dim=1).unsqueeze(-1)
    torch.testing.assert_close(model(x)["prediction"], expected, **FLOAT)


def test_an_anchored_normal_distribution_is_centred_on_the_season():
    data = make_dataset()
    x, y = first_batch(data)
    model = silence(make_model(data, season_length=24, loss=NormalDistributionLoss()))

    means = model.loss.map_x_to_distribution(model(x)["prediction"]).base_dist.mean
    scaled = means * x["target_scale"][:, 1:] + x["target_scale"][:, :1]
    torch.testing.assert_close(scaled.float(), y[0], **FLOAT)


def test_several_targets_are_each_anchored_on_their_own_past():
    frame = planted_frame().assign(second=lambda frame: 2 * frame.target + 1)
    data = make_dataset(
        frame,
        target=["target", "second"],
        time_varying_unknown_reals=["target", "second"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
    )
    x, y = first_batch(data)
    model = silence(make_model(data, season_length=(24, 48), loss=MultiLoss([MAE(), MAE()])))

    for prediction, actual in zip(model(x)["prediction"], y[0], strict=True):
        torch.testing.assert_close(prediction[..., 0], actual, **FLOAT)


def test_quantiles_never_cross(dataset, batch):
    prediction = make_model(dataset, season_length=24)(batch[0])["prediction"]

    assert (prediction.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("context_length", [None, 20])
@pytest.mark.parametrize(
    "schedule",
    [{"num_layers": 3}, {"dilations": (2, 4)}, {"dilations": (1, 2), "segment_length": 5}],
)
def test_the_content_of_padding_changes_no_forecast(context_length, schedule):
    data = make_dataset(min_encoder_length=2)
    x, _ = first_batch(data, batch_size=len(data))
    options = {"num_layers": None, **schedule, "season_length": (4, 24)}
    model = make_model(data, context_length=context_length, **options)
    assert len(x["encoder_lengths"].unique()) > 10
    padded = copy.copy(x)
    padding = torch.arange(60) >= x["encoder_lengths"].unsqueeze(1)
    padded["encoder_cont"] = torch.where(padding.unsqueeze(-1), 1e3, x["encoder_cont"])

    expected = model(x)["prediction"]
    torch.testing.assert_close(model(padded)["prediction"], expected, rtol=0, atol=0)


@pytest.mark.parametrize("segment_length", [None, 12])
@pytest.mark.parametrize("length", [30, 36])
def test_a_window_gives_the_same_forecast_alone_and_in_a_ragged_batch(segment_length, length):
    data = make_dataset(min_encoder_length=2)
    x, _ = first_batch(data, batch_size=len(data))
    model = make_model(
        data, num_layers=None, dilations=(1, 2), season_length=24, segment_length=segment_length
    )
    row = int((x["encoder_lengths"] == length).nonzero()[0])
    alone = {
        name: value[row : row + 1] for name, value in x.items() if isinstance(value, torch.Tensor)
    }
    for name in ("encoder_cat", "encoder_cont", "encoder_target"):
        alone[name] = alone[name][:, :length]

    expected = model(x)["prediction"][row : row + 1]
    torch.testing.assert_close(model(alone)["prediction"], expected, **FLOAT)


def test_a_batch_in_another_order_gives_the_same_rows(dataset, batch):
    model = make_model(dataset, season_length=24)
    order = torch.randperm(16)
    shuffled = {
        name: value[order] for name, value in batch[0].items() if isinstance(value, torch.Tensor)
    }

    expected = model(batch[0])["prediction"][order]
    torch.testing.assert_close(model(shuffled)["prediction"], expected, **FLOAT)


def test_the_encoder_reads_only_the_last_context_length_steps(dataset, batch):
    model = make_model(dataset, context_length=20)
    x = copy.copy(batch[0])
    x["encoder_cont"] = x["encoder_cont"].clone().requires_grad_()

    (gradient,) = torch.autograd.grad(model.encode(x).sum(), x["encoder_cont"])
    reached = gradient.abs().sum((0, 2)).nonzero().flatten()
    assert reached.tolist() == list(range(40, 60))


def test_segments_read_the_whole_context_and_nothing_else(dataset, batch):
    model = make_model(
        dataset, num_layers=None, dilations=(1, 2), context_length=40, segment_length=10
    )
    x = copy.copy(batch[0])
    x["encoder_cont"] = x["encoder_cont"].clone().requires_grad_()

    (gradient,) = torch.autograd.grad(model.encode(x).sum(), x["encoder_cont"])
    reached = gradient.abs().sum((0, 2)).nonzero().flatten()
    assert reached.tolist() == list(range(20, 60))


def test_segments_shorten_what_an_unknown_depth_follows_from():
    assert make_model(segment_length=5, num_layers=None, dilation_base=2).hparams.dilations == (
        1,
        2,
        4,
    )


def test_a_context_longer_than_the_window_reads_all_of_it(dataset, batch):
    whole, longer = make_model(dataset), make_model(dataset, context_length=500)

    torch.testing.assert_close(longer(batch[0])["prediction"], whole(batch[0])["prediction"])


def test_a_common_divisor_is_bridged_by_fusion(dataset, batch):
    model = make_model(dataset, num_layers=None, dilations=(3, 6))
    x = copy.copy(batch[0])
    x["encoder_cont"] = x["encoder_cont"].clone().requires_grad_()

    (gradient,) = torch.autograd.grad(model.encode(x).sum(), x["encoder_cont"])
    assert gradient.abs().sum((0, 2)).count_nonzero() == 60


@pytest.mark.parametrize("season_length", [None, 24, (24, 48)])
@pytest.mark.parametrize("dilations", [(1, 2), (2, 4)])
@pytest.mark.parametrize("segment_length", [None, 10])
@pytest.mark.parametrize("linear_length", [0, 60])
def test_a_window_without_history_is_forecast_from_what_is_known_ahead(
    season_length, dilations, segment_length, linear_length
):
    data = make_dataset(
        min_encoder_length=0,
        min_prediction_idx=0,
        target_normalizer=GroupNormalizer(groups=["name"]),
    )
    x, y = first_batch(data, batch_size=len(data))
    model = make_model(
        data,
        num_layers=None,
        dilations=dilations,
        season_length=season_length,
        segment_length=segment_length,
        linear_length=linear_length,
    )
    prediction = model(x)["prediction"]

    assert (x["encoder_lengths"] == 0).any()
    assert torch.isfinite(prediction).all()
    model.loss(prediction, y).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("segment_length", [None, 10])
def test_a_batch_of_windows_without_any_history_is_forecast(segment_length):
    data = make_dataset(min_encoder_length=0, target_normalizer=GroupNormalizer(groups=["name"]))
    model = make_model(
        data, season_length=24, segment_length=segment_length, linear_length=60, dilation_base=2
    )
    x = copy.copy(first_batch(data)[0])
    for name in ("encoder_cat", "encoder_cont", "encoder_target"):
        x[name] = x[name][:, :0]
    x["encoder_lengths"] = torch.zeros_like(x["encoder_lengths"])

    assert torch.isfinite(model(x)["prediction"]).all()


@pytest.fixture(scope="module")
def levered():
    """Return a dataset whose target is moved by its known covariate, and a model fitted to it."""
    frame = planted_frame(noise=0.05)
    frame["target"] += 3 * frame.lever
    data = make_dataset(frame)
    pl.seed_everything(0, verbose=False)
    model = make_model(data, hidden_size=16, learning_rate=1e-2, dropout=0.0)
    return data, fit(model, data.to_dataloader(train=True, batch_size=64, num_workers=0), 8)


def test_shuffling_the_covariates_of_the_decoder_raises_the_loss(levered):
    data, model = levered
    x, y = first_batch(data, batch_size=128)
    shuffled = copy.copy(x)
    shuffled["decoder_cont"] = x["decoder_cont"].roll(1, dims=1)

    loss = model.loss(model(x)["prediction"], y)
    assert model.loss(model(shuffled)["prediction"], y) > 2 * loss


def test_training_beats_the_seasonal_naive_forecast(levered):
    data, model = levered
    x, y = first_batch(data, batch_size=128)
    naive = silence(make_model(data, hidden_size=16, season_length=24))

    loss = model.loss(model(x)["prediction"], y)
    assert loss < 0.5 * model.loss(naive(x)["prediction"], y)


def test_a_checkpoint_gives_the_same_forecast_without_the_dataset(levered, tmp_path):
    data, model = levered
    trainer = pl.Trainer(**TRAINER)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    x, _ = first_batch(data)

    loaded = DilatedRNNForecaster.load_from_checkpoint(tmp_path / "model.ckpt").eval()
    assert loaded.hparams.dilations == model.hparams.dilations
    torch.testing.assert_close(loaded(x)["prediction"], model(x)["prediction"], rtol=0, atol=0)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_copies_and_pickles_give_the_same_forecast(dataset, batch, duplicate):
    model = make_model(dataset, season_length=24)

    twin = duplicate(model)
    torch.testing.assert_close(
        twin(batch[0])["prediction"], model(batch[0])["prediction"], rtol=0, atol=0
    )


def test_predict_returns_quantiles_in_target_units(levered):
    data, model = levered
    quantiles = model.predict(data, mode="quantiles", trainer_kwargs={"logger": False})
    _, y = first_batch(data, batch_size=128)

    assert quantiles.shape == (len(data), 12, 7)
    assert (quantiles[:128, :, 3] - y[0]).abs().mean() < 1  # the targets lie around 10, 20 and 30


def test_an_unknown_depth_follows_from_what_the_encoder_reads():
    binary = {"num_layers": None, "dilation_base": 2}
    assert make_model(**binary).hparams.dilations == (1, 2, 4, 8, 16)
    assert make_model(**binary, context_length=20).hparams.dilations == (1, 2, 4)
    assert make_model(num_layers=None).hparams.dilations == (1, 4, 16)


def test_a_dilation_that_no_window_can_use_is_warned_of_once():
    with pytest.warns(UserWarning, match=r"`dilations` \[64, 128\] reach past the 60") as caught:
        make_model(num_layers=8, dilation_base=2)
    assert len(caught) == 1


def test_a_model_whose_windows_use_all_dilations_is_made_without_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_model(num_layers=6, dilation_base=2)
    assert not caught


def test_chosen_embedding_sizes_leave_the_others_as_they_are():
    frame = planted_frame().assign(kind=lambda frame: frame.name.map(str.upper))
    data = make_dataset(frame, static_categoricals=["name", "kind"])
    model = make_model(data, embedding_sizes={"kind": (3, 9)})

    assert model.embeddings.output_size["kind"] == 9
    assert model.embeddings.output_size["name"] > 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"hidden_size": 0}, ValueError, "`hidden_size` must be at least 1, got 0"),
        ({"hidden_size": (8, 8)}, ValueError, r"one integer or one per layer \(3\), got 2"),
        ({"num_layers": 0}, ValueError, "`num_layers` must be at least 1, got 0"),
        ({"dilation_base": 0}, ValueError, "`dilation_base` must be at least 1, got 0"),
        ({"start_exponent": -1}, ValueError, "`start_exponent` must be at least 0, got -1"),
        ({"dilations": (1, 2)}, ValueError, "`dilations` and `num_layers` exclude each other"),
        (
            {"num_layers": None, "dilation_base": 1},
            ValueError,
            "`num_layers` must be given when `dilation_base` is 1",
        ),
        ({"num_layers": None, "dilations": (0,)}, ValueError, "`dilations` must be at least 1"),
        ({"cell_type": "CNN"}, ValueError, "`cell_type` must be one of RNN, GRU, LSTM"),
        ({"dropout": 1.5}, ValueError, r"`dropout` must be at least 0 and below 1, got 1\.5"),
        ({"context_length": 0}, ValueError, "`context_length` must be at least 1, got 0"),
        ({"segment_length": 0}, ValueError, "`segment_length` must be at least 1, got 0"),
        ({"segment_length": 2.5}, TypeError, "`segment_length` must be an integer"),
        (
            {"segment_length": 7},
            ValueError,
            "`segment_length` must divide the 60 time steps that the encoder reads, got 7",
        ),
        (
            {"segment_length": 24, "context_length": 36},
            ValueError,
            "must divide the 36 time steps that the encoder reads, got 24",
        ),
        (
            {"segment_length": 120},
            ValueError,
            "must divide the 60 time steps that the encoder reads, got 120",
        ),
        ({"head_size": 0}, ValueError, "`head_size` must be at least 1, got 0"),
        ({"season_length": 0}, ValueError, "`season_length` must be at least 1, got 0"),
        (
            {"season_length": (24, 61)},
            ValueError,
            r"`season_length` must be at most the 60 time steps of the longest window, got 61",
        ),
        (
            {"level_anchor": True, "loss": PoissonLoss()},
            ValueError,
            "need a loss with a location .* got PoissonLoss",
        ),
        ({"linear_length": -1}, ValueError, "`linear_length` must be at least 0, got -1"),
        ({"linear_length": 2.5}, TypeError, "`linear_length` must be an integer"),
        (
            {"linear_length": 61},
            ValueError,
            "`linear_length` must be at most the 60 time steps of the longest window, got 61",
        ),
        (
            {"linear_length": 24, "loss": PoissonLoss()},
            ValueError,
            "need a loss with a location .* got PoissonLoss",
        ),
        (
            {"relative_loss": True, "loss": SMAPE()},
            ValueError,
            "`relative_loss` needs one target with MAE or QuantileLoss, .* got SMAPE",
        ),
        (
            {"season_length": 24, "loss": PoissonLoss()},
            ValueError,
            "need a loss with a location .* got PoissonLoss",
        ),
        (
            {"embedding_sizes": {"nome": (3, 2)}},
            ValueError,
            r"`embedding_sizes` names \['nome'\]",
        ),
        (
            {"embedding_sizes": {"name": (2, 2)}},
            ValueError,
            r"`embedding_sizes` of 'name' must be \(classes, width\) with at least the 3 classes",
        ),
        ({"embedding_sizes": {"name": 4}}, ValueError, "must be .classes, width.*, got 4"),
    ],
)
def test_a_hyperparameter_out_of_range_is_refused(dataset, arguments, error, message):
    with pytest.raises(error, match=message):
        make_model(dataset, **arguments)


@pytest.mark.parametrize("option", [{"season_length": 24}, {"linear_length": 24}])
def test_an_anchor_needs_the_target_among_the_inputs(option):
    data = make_dataset(time_varying_unknown_reals=["other"])
    with pytest.raises(ValueError, match="need the real target 'target'"):
        make_model(data, **option)


@pytest.mark.parametrize("loss", [MAE(), QuantileLoss([0.1, 0.5])])
@pytest.mark.parametrize("weight", [None, 3.0])
def test_a_relative_loss_counts_errors_in_units_of_how_far_each_window_moves(loss, weight):
    frame = planted_frame(noise=0.1)
    frame["target"] *= frame["name"].map({"s0": 1.0, "s1": 1e3, "s2": 1e-3})
    frame["weight"] = weight
    data = make_dataset(frame, weight=None if weight is None else "weight")
    loader = data.to_dataloader(train=False, batch_size=len(data), num_workers=0)
    x, y = next(iter(loader))
    model = make_model(data, loss=loss, relative_loss=True)

    scale = model.usual_error(x)
    errors = model.loss.loss(model(x)["prediction"] / scale.unsqueeze(-1), y[0] / scale)
    expected = errors.mean() * (1 if weight is None else weight)
    (log,) = pl.Trainer(**TRAINER).validate(model, loader, verbose=False)
    assert scale.max() / scale.min() > 1e5
    assert log["val_loss"] == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(("transformation", "lowest"), [("log", 0.0), ("log1p", -1.0)])
def test_a_target_without_a_logarithm_is_refused(transformation, lowest):
    frame = planted_frame()
    data = make_dataset(frame, target_normalizer=EncoderNormalizer(transformation=transformation))
    data.data["target"][0][7] = lowest
    with pytest.raises(ValueError, match=f"which needs targets above {lowest:g}, got {lowest:g}"):
        make_model(data)


def test_a_relative_loss_needs_a_scale_in_target_units():
    data = make_dataset(target_normalizer=EncoderNormalizer(transformation="softplus"))
    with pytest.raises(ValueError, match=r"scale is in the target's units, got .*'softplus'"):
        make_model(data, relative_loss=True)


def test_a_longer_horizon_than_trained_is_refused(dataset):
    model = make_model(dataset)
    x, _ = first_batch(make_dataset(max_prediction_length=13))
    with pytest.raises(ValueError, match="`max_prediction_length=12` time steps long"):
        model(x)


def test_quantiles_of_a_loss_of_the_users_own_are_forecast(dataset, batch):
    model = make_model(dataset, loss=QuantileLoss([0.25, 0.75]))
    assert model(batch[0])["prediction"].shape == (16, 12, 2)
    assert np.isfinite(model.loss(model(batch[0])["prediction"], batch[1]).item())


def test_an_interrupt_while_a_model_is_made_is_no_lost_hyperparameter(monkeypatch, control_c):
    dataset, begun = make_dataset(), []

    def pressed(value):
        begun.append(value)
        control_c()

    monkeypatch.setattr("pytorch_forecasting.models.base._base_model.yaml.dump", pressed)
    with pytest.raises(KeyboardInterrupt):
        make_model(dataset)
    assert len(begun) > 1
