import copy
import pickle
import re

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import torchmetrics
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from pytorch_forecasting.metrics import (
    MAE,
    MAPE,
    MASE,
    RMSE,
    SMAPE,
    BetaDistributionLoss,
    CrossEntropy,
    ImplicitQuantileNetworkDistributionLoss,
    LogNormalDistributionLoss,
    MQF2DistributionLoss,
    MultiLoss,
    MultivariateNormalDistributionLoss,
    NegativeBinomialDistributionLoss,
    NormalDistributionLoss,
    PoissonLoss,
    QuantileLoss,
    TweedieLoss,
)

from drnn_forecast.model.forecaster import DilatedRNNForecaster
from drnn_forecast.model.losses.reading import (
    draw_samples,
    has_location,
    interpolated_quantiles,
    point_forecast,
    quantile_forecast,
)
from series import first_batch, make_dataset, planted_frame

TRAINER = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
FORWARD_ONLY_LOG = {"forward": torch.log1p}


def targets(kind):
    """Return a planted frame whose target is of a kind."""
    frame = planted_frame(noise=0.1)
    scale = frame.target / frame.target.max()
    made = {
        "real": frame.target,
        "count": (2 * frame.target).round().clip(lower=0),
        "share": scale.clip(0.01, 0.99),
        "class": np.where(scale > 0.5, "high", "low"),
    }
    return frame.assign(target=made[kind])


def dataset_for(kind="real", normalizer=None, **options):
    if kind == "class":
        normalizer, options["time_varying_unknown_reals"] = NaNLabelEncoder(), ["other"]
    if normalizer is not None:
        options["target_normalizer"] = normalizer
    options = {"max_encoder_length": 20, "max_prediction_length": 6, **options}
    return make_dataset(targets(kind), **options)


def model_for(dataset, loss, **options):
    torch.manual_seed(0)
    options = {"hidden_size": 8, "num_layers": 2, "dropout": 0.0, **options}
    return DilatedRNNForecaster.from_dataset(dataset, loss=loss, **options)


def group(transformation=None, center=True):
    return GroupNormalizer(groups=["name"], transformation=transformation, center=center)


LOSSES = {
    "mae": (MAE(), "real", None),
    "rmse": (RMSE(), "real", None),
    "smape": (SMAPE(), "real", None),
    "mape": (MAPE(), "real", None),
    "mase": (MASE(), "real", None),
    "quantiles": (QuantileLoss(), "real", None),
    "quantiles without the median": (QuantileLoss([0.1, 0.4, 0.9]), "real", None),
    "poisson": (PoissonLoss(), "count", EncoderNormalizer(transformation=FORWARD_ONLY_LOG)),
    "tweedie": (TweedieLoss(), "count", EncoderNormalizer(transformation=FORWARD_ONLY_LOG)),
    "normal": (NormalDistributionLoss(), "real", None),
    "normal, softplus": (NormalDistributionLoss(), "real", group("softplus")),
    "normal, log1p": (NormalDistributionLoss(), "count", group("log1p")),
    "joint normal": (MultivariateNormalDistributionLoss(rank=3), "real", None),
    "joint normal, log1p": (MultivariateNormalDistributionLoss(rank=3), "count", group("log1p")),
    "beta": (BetaDistributionLoss(), "share", group("logit")),
    "log-normal": (LogNormalDistributionLoss(), "real", group("log")),
    "negative binomial": (NegativeBinomialDistributionLoss(), "count", group(center=False)),
    "implicit quantiles": (ImplicitQuantileNetworkDistributionLoss(), "real", None),
    "classes": (CrossEntropy(), "class", None),
    "torchmetrics": (torchmetrics.MeanSquaredError(), "real", None),
    "sum": (SMAPE() + 0.1 * MAE(), "real", None),
    "sum of quantile losses": (QuantileLoss([0.1, 0.9]) + QuantileLoss([0.1, 0.9]), "real", None),
}
POINT = ["mae", "rmse", "smape", "mape", "mase", "tweedie", "torchmetrics", "sum"]


@pytest.mark.parametrize("is_ragged", [False, True], ids=["equal decoders", "ragged decoders"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_and_predicts(name, is_ragged):
    loss, kind, normalizer = copy.deepcopy(LOSSES[name])
    options = {"min_prediction_length": 2, "min_encoder_length": 10} if is_ragged else {}
    data = dataset_for(kind, normalizer, **options)
    model = model_for(data, loss, learning_rate=1e-2)
    loader = data.to_dataloader(train=True, batch_size=32, num_workers=0)
    validation = data.to_dataloader(train=False, batch_size=64, num_workers=0)
    before = copy.deepcopy(model.state_dict())
    trainer = pl.Trainer(
        max_epochs=1, limit_train_batches=4, limit_val_batches=2, gradient_clip_val=1.0, **TRAINER
    )
    trainer.fit(model, loader, validation)

    assert torch.isfinite(trainer.callback_metrics["val_loss"])
    changed = [not torch.equal(before[name], value) for name, value in model.state_dict().items()]
    assert sum(changed) > len(changed) / 2
    modes = ["prediction", "quantiles", *([] if name in POINT else ["samples"])]
    for mode in modes:
        output = model.predict(validation, mode=mode, n_samples=4, return_decoder_lengths=True)
        observed = torch.arange(6) < output.decoder_lengths.unsqueeze(1)
        assert torch.isfinite(output.output[observed]).all()


@pytest.mark.parametrize(
    "loss",
    [
        ImplicitQuantileNetworkDistributionLoss(input_size=4, hidden_size=4),
        MAE() + SMAPE(),
        QuantileLoss(),
        NormalDistributionLoss(),
        torchmetrics.MeanAbsoluteError(),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_a_loss_serves_in_a_mix_for_several_targets(loss):
    frame = planted_frame().assign(
        second=lambda f: 2 * f.target + 1, label=lambda f: np.where(f.other > 0, "up", "down")
    )
    data = make_dataset(
        frame,
        target=["target", "second", "label"],
        time_varying_unknown_reals=["target", "second"],
        target_normalizer=MultiNormalizer(
            [EncoderNormalizer(), EncoderNormalizer(), NaNLabelEncoder()]
        ),
        max_encoder_length=20,
        max_prediction_length=6,
        min_prediction_length=2,
    )
    model = model_for(data, MultiLoss([copy.deepcopy(loss), MAE(), CrossEntropy()]))
    before = copy.deepcopy(model.state_dict())
    trainer = pl.Trainer(max_epochs=1, limit_train_batches=3, **TRAINER)
    trainer.fit(model, data.to_dataloader(batch_size=16, num_workers=0))
    network = [name for name in before if "quantile_network" in name and "cos" not in name]

    assert bool(network) == isinstance(loss, ImplicitQuantileNetworkDistributionLoss)
    after = model.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in network)
    assert [part.shape for part in model.predict(data)] == [(len(data), 6)] * 3


def test_one_loss_for_several_targets_is_one_for_each():
    frame = planted_frame().assign(second=lambda f: 2 * f.target + 1)
    data = make_dataset(
        frame,
        target=["target", "second"],
        target_normalizer=MultiNormalizer([group(), group("softplus")]),
    )
    model = model_for(data, NormalDistributionLoss())
    model(first_batch(data)[0])

    assert [part._transformation for part in model.loss.metrics] == [None, "softplus"]


def test_a_loss_is_derived_from_the_targets():
    frame = planted_frame().assign(label=lambda f: np.where(f.other > 0, "up", "down"))
    data = make_dataset(
        frame,
        target=["target", "label"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), NaNLabelEncoder()]),
    )
    model = model_for(data, None)

    assert [type(part) for part in model.loss.metrics] == [QuantileLoss, CrossEntropy]
    assert model.hparams.output_size == [7, 2]


def test_the_padding_of_short_decoders_is_in_no_likelihood():
    data = dataset_for("real", group("softplus"), min_prediction_length=2)
    x, y = first_batch(data, batch_size=len(data))
    loss = MultivariateNormalDistributionLoss(rank=2)
    model = model_for(data, loss)
    prediction = model(x)["prediction"]
    lengths = x["decoder_lengths"]
    assert len(lengths.unique()) > 1

    packed = torch.nn.utils.rnn.pack_padded_sequence(
        y[0], lengths, batch_first=True, enforce_sorted=False
    )
    expected = torch.zeros(())
    start = 0
    for end in lengths.unique().tolist():
        reach = lengths >= end
        joint = model.loss.map_x_to_distribution(prediction[reach, start:end])
        expected -= joint.log_prob(y[0][reach, start:end].T).sum() * reach.sum()
        start = end
    torch.testing.assert_close(model.loss(prediction, (packed, None)), expected / lengths.sum())


@pytest.mark.parametrize("transformation", ["softplus", "log"])
def test_the_padding_of_short_decoders_reaches_neither_loss_nor_gradient(transformation):
    # The padding is 0, whose likelihood on these scales is infinite and its gradient no number.
    data = dataset_for("real", group(transformation), min_prediction_length=2)
    x, y = first_batch(data, batch_size=len(data))
    model = model_for(data, NormalDistributionLoss())
    prediction = model(x)["prediction"].detach()
    lengths = x["decoder_lengths"]
    is_observed = torch.arange(prediction.shape[1]) < lengths.unsqueeze(1)
    assert not is_observed.all()
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        y[0], lengths, batch_first=True, enforce_sorted=False
    )

    padded, observed = prediction.clone().requires_grad_(), prediction.clone().requires_grad_()
    value = model.loss(padded, (packed, None))
    distribution = model.loss.map_x_to_distribution(observed[is_observed])
    expected = -distribution.log_prob(y[0][is_observed]).mean()
    torch.testing.assert_close(value, expected)
    (found,) = torch.autograd.grad(value, padded)
    torch.testing.assert_close(found, *torch.autograd.grad(expected, observed))


def test_a_log_scale_has_the_likelihood_of_zeros():
    data = dataset_for("count", group("log1p"))
    model = model_for(data, NormalDistributionLoss())
    x, y = first_batch(data)
    prediction = model(x)["prediction"]
    zeros = torch.zeros_like(y[0])
    centre, scale, location, spread = prediction.unbind(-1)
    normal = torch.distributions.Normal(centre + scale * location, scale * spread)

    # The density of y is that of log1p(y) times 1 / (1 + y), which is 1 at 0.
    expected = -normal.log_prob(zeros).mean()
    torch.testing.assert_close(model.loss(prediction, (zeros, None)), expected)


def test_the_mean_of_a_normal_distribution_is_exact():
    data = dataset_for()
    model = model_for(data, NormalDistributionLoss()).eval()
    x, _ = first_batch(data)
    out = model(x)

    expected = model.loss.map_x_to_distribution(out["prediction"]).icdf(torch.tensor(0.5))
    torch.testing.assert_close(model.to_prediction(out), expected)


@pytest.mark.parametrize(
    ("quantiles", "levels", "expected"),
    [
        ([0.1, 0.9], [0.1, 0.5, 0.9], [0.0, 4.0, 8.0]),
        ([0.9, 0.1], [0.5, 0.3], [4.0, 6.0]),
        ([0.1, 0.9], [0.01, 0.99], [0.0, 8.0]),
    ],
)
def test_quantiles_between_the_learned_ones_lie_on_a_line(quantiles, levels, expected):
    values = torch.tensor([[0.0, 8.0]])
    result = interpolated_quantiles(values, quantiles, torch.tensor([levels]))
    torch.testing.assert_close(result, torch.tensor([expected]))


def test_samples_of_quantiles_have_these_quantiles():
    torch.manual_seed(0)
    loss = QuantileLoss([0.1, 0.3, 0.5, 0.7, 0.9])
    prediction = torch.tensor([0.0, 1.0, 5.0, 6.0, 10.0]).expand(2, 3, 5)
    samples = draw_samples(loss, prediction, 20_000)

    empirical = torch.quantile(samples, torch.tensor([0.3, 0.5, 0.7]), dim=-1)
    # 20,000 draws: a quantile's level errs by 0.0034, over a density of at least 0.05.
    torch.testing.assert_close(
        empirical, torch.tensor([1.0, 5.0, 6.0]).view(3, 1, 1).expand(3, 2, 3), atol=0.35, rtol=0
    )


def test_samples_of_a_rate_have_this_rate():
    torch.manual_seed(0)
    samples = draw_samples(PoissonLoss(), torch.full((1, 2, 1), 3.0).log(), 10_000)
    assert samples.shape == (1, 2, 10_000)
    assert (samples.mean(-1) - 3).abs().max() < 0.1  # five standard errors of 0.017


def test_samples_of_a_point_loss_are_refused():
    with pytest.raises(ValueError, match="Samples need a loss with a distribution, got MAE"):
        draw_samples(MAE(), torch.zeros(1, 2, 1), 3)


def test_quantiles_of_a_log_rate_are_in_target_units():
    prediction = torch.full((1, 2, 1), 3.0).log()
    torch.testing.assert_close(
        quantile_forecast(TweedieLoss(), prediction), torch.full((1, 2, 1), 3.0)
    )
    torch.testing.assert_close(point_forecast(TweedieLoss(), prediction), torch.full((1, 2), 3.0))


@pytest.mark.parametrize(
    "loss",
    [MAE(), QuantileLoss([0.1, 0.5, 0.9]), PoissonLoss(), TweedieLoss(), CrossEntropy()],
    ids=lambda loss: type(loss).__name__,
)
def test_a_loss_has_a_location_where_a_shift_of_its_outputs_shifts_the_forecast(loss):
    outputs = torch.tensor([[[0.5, 0.7, 1.2]]])
    outputs = outputs if isinstance(loss, QuantileLoss | CrossEntropy) else outputs[..., :1]
    before, after = (point_forecast(loss, part) for part in (outputs, outputs + 1))

    assert has_location(loss) == torch.allclose(after.float(), before.float() + 1)


class _StubMQF2(MQF2DistributionLoss):
    """The settings of the real one, which needs a package of its own."""

    def __init__(self, prediction_length):
        torchmetrics.Metric.__init__(self)
        self.prediction_length = prediction_length
        self.reduction = "mean"

    def update(self):
        raise NotImplementedError

    def compute(self):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("loss", "kind", "options", "message"),
    [
        (
            CrossEntropy(),
            "real",
            {},
            "CrossEntropy of the target 'target' cannot learn real numbers",
        ),
        (
            MAE(),
            "class",
            {},
            "MAE of the target 'target' cannot learn classes. Pass `loss=CrossEntropy",
        ),
        (BetaDistributionLoss(), "share", {}, "needs a normaliser with `transformation='logit'`"),
        (
            BetaDistributionLoss(),
            "real",
            {"normalizer": TorchNormalizer(method="identity", transformation="logit")},
            "needs targets that are numbers from 0 to 1",
        ),
        (LogNormalDistributionLoss(), "real", {}, "needs a normaliser with `transformation='log'`"),
        (NegativeBinomialDistributionLoss(), "count", {}, "needs a normaliser with `center=False`"),
        (
            NegativeBinomialDistributionLoss(),
            "real",
            {"normalizer": group(center=False)},
            "needs targets that are whole numbers",
        ),
        (
            NormalDistributionLoss(),
            "real",
            {"normalizer": EncoderNormalizer(transformation=FORWARD_ONLY_LOG)},
            "or `inverse_torch`",
        ),
        (
            MultivariateNormalDistributionLoss(),
            "count",
            {"normalizer": TorchNormalizer(transformation="count")},
            r"needs a normaliser with none of \['count', 'relu'\] as `transformation`",
        ),
        (MASE(), "real", {"weight": "weight"}, "MASE of the target 'target' knows no weights"),
        (
            torchmetrics.MeanSquaredError(),
            "real",
            {"weight": "weight"},
            "MeanSquaredError of the target 'target' knows no weights",
        ),
        (
            MultivariateNormalDistributionLoss(),
            "real",
            {"weight": "weight"},
            "MultivariateNormalDistributionLoss of the target 'target' knows no weights",
        ),
        (MAE() + QuantileLoss(), "real", {}, "must be a sum of losses that read the same outputs"),
        (MAE() + PoissonLoss(), "real", {}, "must be a sum of losses that read the same outputs"),
        (MASE() + MAE(), "real", {}, "must not have MASE in a sum"),
        (MAE(reduction="none"), "real", {}, "must give one number to train on"),
        (MultiLoss([MAE(), MAE()]), "real", {}, r"one loss for each of the 1 target\(s\)"),
        (_StubMQF2(5), "real", {}, "needs one decoder length, its own `prediction_length=5`"),
        (
            _StubMQF2(6),
            "real",
            {"min_prediction_length": 2},
            "`min_prediction_length=2` and `max_prediction_length=6`",
        ),
    ],
)
def test_a_loss_that_cannot_work_is_refused_before_anything_is_made(loss, kind, options, message):
    if "weight" in options:
        frame = targets(kind).assign(weight=1.0)
        data = make_dataset(frame, weight="weight")
    else:
        data = dataset_for(kind, **options)
    with pytest.raises(ValueError, match=message):
        model_for(data, loss)


def test_negative_targets_of_a_log_rate_are_refused():
    frame = planted_frame().assign(target=lambda f: -f.target)
    with pytest.raises(
        ValueError, match=r"PoissonLoss of .* needs targets that are numbers of at least"
    ):
        model_for(make_dataset(frame), PoissonLoss())


def test_a_loss_that_is_none_is_refused():
    with pytest.raises(TypeError, match="must be a metric of pytorch-forecasting or torchmetrics"):
        model_for(dataset_for(), torch.nn.functional.mse_loss)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
@pytest.mark.parametrize("name", ["quantiles", "normal", "implicit quantiles", "sum"])
def test_a_model_whose_loss_was_called_can_be_copied(name, duplicate):
    loss, kind, normalizer = copy.deepcopy(LOSSES[name])
    data = dataset_for(kind, normalizer)
    model = model_for(data, loss)
    x, y = first_batch(data)
    model.loss(model(x)["prediction"], y).backward()

    twin = duplicate(model).eval()
    torch.testing.assert_close(twin(x)["prediction"], model.eval()(x)["prediction"], rtol=0, atol=0)


@pytest.mark.parametrize("title", [True, MAE()], ids=["its own loss", "another metric"])
def test_a_window_of_mqf2_is_drawn_with_its_loss(title):
    pytest.importorskip("cpflows", reason="MQF2 needs cpflows, which pulls another torch")
    data = dataset_for("real", group("softplus"))
    model = model_for(data, MQF2DistributionLoss(prediction_length=6))
    raw = model.predict(data, mode="raw", return_x=True)
    figure = model.plot_prediction(raw.x, raw.output, idx=1, add_loss_to_title=title)

    assert re.search(r"loss -?\d", figure.axes[0].get_title(loc="left"))


def test_mqf2_trains_where_its_package_is_installed():
    pytest.importorskip("cpflows", reason="MQF2 needs cpflows, which pulls another torch")
    data = dataset_for("real", group("softplus"))
    model = model_for(data, MQF2DistributionLoss(prediction_length=6))
    trainer = pl.Trainer(max_epochs=1, limit_train_batches=1, **TRAINER)
    trainer.fit(model, data.to_dataloader(batch_size=16, num_workers=0))

    assert torch.isfinite(model.predict(data, mode="quantiles")).all()
