import copy
import warnings

import lightning.pytorch as pl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder as Labels,
)
from pytorch_forecasting.metrics import MAE, MASE, QuantileLoss

from drnn_forecast import BatchedTimeSeriesDataSet
from drnn_forecast.layers.layer import WEIGHTS
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from drnn_forecast.model.interpretation.numbers import saliency_by_lag
from reference import cell_step, dilated_layer
from series import first_batch, make_dataset, planted_frame

TRAINER = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def make_model(dataset, **options):
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        dataset, **{"hidden_size": 4, "num_layers": 2, "smoothed_anchors": False, **options}
    ).eval()


@pytest.fixture(scope="module")
def lagged():
    """Return a model of a series of which only the value 24 steps ago tells the next one."""
    generator = np.random.default_rng(0)
    target = generator.normal(size=3000)
    for step in range(24, len(target)):
        target[step] = -0.95 * target[step - 24] + 0.3 * target[step]
    frame = pd.DataFrame({"name": "a", "time_idx": np.arange(3000), "target": target})
    data = BatchedTimeSeriesDataSet(
        frame,
        time_idx="time_idx",
        target="target",
        group_ids=["name"],
        max_encoder_length=48,
        max_prediction_length=1,
        time_varying_unknown_reals=["target"],
        target_normalizer=GroupNormalizer(groups=["name"]),
    )
    pl.seed_everything(0, verbose=False)
    model = DilatedRNNForecaster.from_dataset(
        data,
        hidden_size=24,
        dilations=(1, 4, 23),
        dropout=0.0,
        learning_rate=1e-2,
        loss=MAE(),
    )
    trainer = pl.Trainer(max_epochs=4, gradient_clip_val=1.0, **TRAINER)
    trainer.fit(model, data.to_dataloader(train=True, batch_size=64, num_workers=0))
    return data, model.eval()


def test_the_largest_saliency_of_a_planted_lag_is_at_this_lag(lagged):
    data, model = lagged
    x, _ = first_batch(data, batch_size=256)
    interpretation = model.interpret_output(x)

    assert interpretation.saliency.shape == (1, 48)
    assert int(interpretation.by_lag.argmax()) + 1 == 24
    assert interpretation.by_lag[23] > 2 * interpretation.by_lag.sort()[0][-2]


def test_the_layer_that_reaches_a_planted_lag_contributes_most(lagged):
    data, model = lagged
    x, _ = first_batch(data, batch_size=256)
    by_dilation = model.interpret_output(x).by_dilation

    assert [dilation for dilation, _ in by_dilation] == [1, 4, 23]
    # The step before the forecast lies 23 time steps after the one that tells it.
    assert max(by_dilation, key=lambda pair: pair[1])[0] == 23


def forgetful_stack(model, features, forgetful):
    """Return the outputs of a stack one of whose layers begins every step with a state of zeros."""
    stack = model.encoder
    for number, layer in enumerate(stack.layers):
        weights = [getattr(layer, name) for name in WEIGHTS]
        kernel = layer.input_kernel_size
        if number == forgetful:
            zeros = torch.zeros(features.shape[1], layer.hidden_size)
            state = (zeros, zeros) if layer.cell_type == "LSTM" else (zeros,)
            steps = [
                cell_step(layer.cell_type, [x, *[None] * (kernel - 1)], state, weights)[0]
                for x in features
            ]
            output = torch.stack(steps)
        else:
            output = dilated_layer(layer.cell_type, features, weights, layer.dilation, kernel)
        features = output + features if stack.residual and number else output
    return features


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"input_kernel_size": 2}], ids=str)
@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
def test_a_layer_contributes_what_its_steps_lose_that_begin_with_a_state_of_zeros(
    cell_type, options, monkeypatch
):
    dataset = make_dataset(planted_frame(num_series=2, length=60), max_encoder_length=20)
    options = {"num_layers": None, "dilations": (1, 3), **options}
    model = make_model(dataset, cell_type=cell_type, **options)
    x, _ = first_batch(dataset, batch_size=5)
    by_dilation = model.interpret_output(x).by_dilation
    with torch.no_grad():
        whole = model(x)["prediction"]
        for number, (_, ours) in enumerate(by_dilation):
            with monkeypatch.context() as patched:
                patched.setattr(
                    model.encoder,
                    "forward",
                    lambda features, n=number: (forgetful_stack(model, features, n), None),
                )
                change = (whole - model(x)["prediction"]).abs().mean()
            assert ours == pytest.approx(float(change), rel=1e-4)


def test_interpreting_changes_neither_weights_nor_mode(lagged):
    data, model = lagged
    x, _ = first_batch(data)
    before = copy.deepcopy(model.state_dict())
    model.train()
    model.interpret_output(x)
    assert model.training
    model.eval()

    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(
        parameter.grad is None or parameter.requires_grad for parameter in model.parameters()
    )


def test_windows_of_different_lengths_are_aligned_at_their_end():
    data = make_dataset(min_encoder_length=5)
    x, _ = first_batch(data, batch_size=len(data))
    model = make_model(data, context_length=5, num_layers=1, season_length=())
    saliency = model.interpret_output(x).saliency

    assert len(x["encoder_lengths"].unique()) > 10
    assert (saliency[:, -5:] > 0).all()
    assert not saliency[:, :-5].any()


def test_the_shares_of_the_variables_add_up_to_one():
    data = make_dataset()
    shares = make_model(data).interpret_output(first_batch(data)[0]).by_variable

    assert set(shares) == {"lever", "target"}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-6)


def test_the_saliency_of_a_lag_is_the_mean_over_its_diagonal():
    saliency = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    # Step 1 is 3, 2, 1 steps after the columns, step 2 is 4, 3, 2 steps after them.
    assert saliency_by_lag(saliency).tolist() == [3.0, (2 + 6) / 2, (1 + 5) / 2, 4.0]


def test_lags_are_counted_where_the_saliency_is():
    assert saliency_by_lag(torch.ones(2, 3, device="meta")).device.type == "meta"


def test_each_target_is_interpreted_by_itself():
    frame = planted_frame().assign(second=lambda f: 2 * f.target + 1)
    data = make_dataset(
        frame,
        target=["target", "second"],
        time_varying_unknown_reals=["target", "second"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
    )
    model = make_model(data)
    x, _ = first_batch(data)
    first, second = (model.interpret_output(x, target=number).saliency for number in (0, 1))

    assert not torch.equal(first, second)


def test_a_figure_is_drawn_of_every_part_of_an_interpretation():
    data = make_dataset()
    model = make_model(data)
    figures = model.plot_interpretation(model.interpret_output(first_batch(data)[0]))

    assert set(figures) == {"saliency", "by_lag", "by_variable", "by_dilation"}
    assert all(isinstance(figure, Figure) for figure in figures.values())
    assert len(figures["by_lag"].axes[0].patches) == 60 + 12 - 1


@pytest.fixture(scope="module")
def raw():
    """Return a model and its raw predictions with their inputs, of windows of unequal lengths."""
    data = make_dataset(min_encoder_length=5)
    model = make_model(data)
    return model, model.predict(data, mode="raw", return_x=True)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_raw_predictions_are_interpreted_and_drawn_as_upstreams_tutorials_do(raw, reduction):
    model, predictions = raw
    interpretation = model.interpret_output(predictions.output, reduction=reduction)
    figures = model.plot_interpretation(interpretation)

    expected = model.interpret_output(predictions.x, reduction=reduction)
    torch.testing.assert_close(interpretation.saliency, expected.saliency)
    assert interpretation.by_dilation == expected.by_dilation
    assert set(figures) == {"saliency", "by_lag", "by_variable", "by_dilation"}


def test_windows_by_themselves_add_up_to_their_sum_and_average_to_their_mean(raw):
    model, predictions = raw
    each, total, mean = (
        model.interpret_output(predictions.output, reduction=reduction)
        for reduction in ("none", "sum", "mean")
    )
    windows = len(predictions.output.prediction)

    # More than one chunk of windows, or nothing would be added up.
    assert windows > 256
    assert each.saliency.shape == (windows, 12, 60)
    assert each.by_lag.shape == (windows, 71)
    torch.testing.assert_close(each.saliency.sum(0), total.saliency)
    torch.testing.assert_close(each.by_lag.mean(0), mean.by_lag)
    torch.testing.assert_close(sum(each.by_variable.values()), torch.ones(windows))
    assert mean.by_variable == pytest.approx(total.by_variable)
    for (_, of_each), (_, of_all) in zip(each.by_dilation, mean.by_dilation, strict=True):
        assert float(of_each.mean()) == pytest.approx(of_all, rel=1e-5)


def test_one_window_is_drawn_with_what_its_own_forecast_leans_on(raw):
    model, predictions = raw
    figure = model.plot_interpretation(predictions.x, predictions.output, 7)
    each = model.interpret_output(predictions.output, reduction="none")
    upper, lower = figure.axes

    points = model.to_prediction(predictions.output)[7].tolist()
    (predicted,) = [line for line in upper.lines if line.get_label() == "predicted"]
    assert predicted.get_ydata().tolist() == points
    heights = [bar.get_height() for bar in lower.patches]
    assert heights == pytest.approx(each.by_lag[7].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda model, p: model.interpret_output(p.output._replace(inputs=None)),
            "`out` must have the inputs.*return_x=True.*or pass `x` too",
        ),
        (
            lambda model, p: model.interpret_output(p.output, reduction="median"),
            "`reduction` must be one of .* got 'median'",
        ),
        (
            lambda model, p: model.plot_interpretation(
                model.interpret_output(first_eight(p.x), reduction="none")
            ),
            "`interpretation` must be one of all windows",
        ),
    ],
)
def test_what_cannot_be_interpreted_is_refused(raw, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(*raw)


def first_eight(x):
    return {name: part[:8] for name, part in x.items()}


def test_an_output_without_inputs_is_interpreted_beside_them(raw):
    model, predictions = raw
    x = first_eight(predictions.x)
    beside = model.interpret_output(model(x), x=x)

    torch.testing.assert_close(beside.saliency, model.interpret_output(x).saliency)


def drawn(figure):
    return {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}


def test_a_prediction_is_drawn_from_the_window_itself():
    data = make_dataset(min_encoder_length=5, min_prediction_length=3)
    x, _ = first_batch(data, batch_size=len(data))
    model = make_model(data)
    out = model(x)
    row = int(((x["encoder_lengths"] < 60) & (x["decoder_lengths"] < 12)).nonzero()[0])
    past, future = int(x["encoder_lengths"][row]), int(x["decoder_lengths"][row])
    lines = drawn(model.plot_prediction(x, out, idx=row))

    assert lines["observed"] == x["encoder_target"][row, :past].tolist()
    assert lines["what came"] == x["decoder_target"][row, :future].tolist()
    assert lines["predicted"] == model.to_prediction(out)[row, :future].tolist()
    assert "what came" not in drawn(
        model.plot_prediction(x, out, idx=row, show_future_observed=False)
    )


@pytest.mark.parametrize("loss", [QuantileLoss(), MASE()])
def test_the_title_has_the_loss_of_the_window(loss):
    data = make_dataset()
    x, y = first_batch(data)
    model = make_model(data, loss=loss)
    out = model(x)
    figure = model.plot_prediction(x, out, idx=3, add_loss_to_title=True)
    options = {"encoder_target": x["encoder_target"][3:4]} if isinstance(loss, MASE) else {}
    expected = model.loss(out["prediction"][3:4], (y[0][3:4], None), **options)

    assert figure.axes[0].get_title(loc="left") == f"target, loss {expected.item():.4g}"


def test_every_target_has_a_figure_of_its_own():
    frame = planted_frame().assign(label=lambda f: np.where(f.other > 0, "up", "down"))
    data = make_dataset(
        frame,
        target=["target", "label"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), Labels()]),
    )
    x, _ = first_batch(data)
    model = make_model(data)
    figures = model.plot_prediction(x, model(x))

    assert len(set(map(id, figures))) == 2
    assert drawn(figures[1])["observed"] == x["encoder_target"][1][0].tolist()
    with pytest.raises(ValueError, match="`ax` has room for one target"):
        model.plot_prediction(x, model(x), ax=figures[0].axes[0])


def hand_made():
    """Return a model and a batch of two windows whose averages are counted by hand."""
    frame = planted_frame()
    data = make_dataset(frame, max_prediction_length=3)
    model = make_model(data)
    x, _ = first_batch(data, batch_size=2)
    x = dict(x)
    position = model.hparams.x_reals.index("lever")
    x["decoder_cont"] = torch.zeros_like(x["decoder_cont"])
    x["decoder_cont"][..., position] = torch.tensor([[2.0, -2.0, 0.0], [2.0, 5.0, 0.0]])
    x["decoder_cat"] = torch.tensor([[[1], [1], [0]], [[0], [1], [2]]])
    x["decoder_target"] = torch.tensor([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]])
    x["decoder_lengths"] = torch.tensor([3, 2])
    return model, x


@pytest.mark.parametrize("normalize", [True, False])
def test_averages_by_variable_are_those_counted_by_hand(normalize):
    model, x = hand_made()
    prediction = x["decoder_target"] + 1
    result = model.calculate_prediction_actual_by_variable(
        x, prediction, bins=3, std=2.0, log_scale=False, normalize=normalize
    )
    actual, predicted = (result["average"][kind] for kind in ("actual", "prediction"))

    # Bins -1, 0 and 1: 20 | 30 | 10, 40, 50. The third step of the second window is padding.
    assert result["support"]["lever"].tolist() == [1, 1, 3]
    sums, counts = torch.tensor([20.0, 30.0, 100.0]), torch.tensor([1, 1, 3])
    expected = sums / counts if normalize else sums
    torch.testing.assert_close(actual["lever"], expected.double())
    shift = 1.0 if normalize else counts
    torch.testing.assert_close(predicted["lever"], (expected + shift).double())
    # Codes 0, 1 and 2: 30, 40 | 10, 20, 50 | none.
    expected = torch.tensor([35.0, 80 / 3, 0.0] if normalize else [70.0, 80.0, 0.0])
    torch.testing.assert_close(actual["name"], expected.double())


def test_geometric_averages_are_roots_of_products():
    model, x = hand_made()
    result = model.calculate_prediction_actual_by_variable(
        x, x["decoder_target"], bins=3, log_scale=True
    )
    expected = (10.0 * 40.0 * 50.0) ** (1 / 3)
    assert float(result["average"]["actual"]["lever"][2]) == pytest.approx(expected)


def test_averages_by_variable_are_drawn_where_their_values_are():
    model, x = hand_made()
    result = model.calculate_prediction_actual_by_variable(
        x, x["decoder_target"] + 1, bins=3, std=2.0, log_scale=False
    )
    figures = model.plot_prediction_actual_by_variable(result)
    plt.close("all")

    assert list(figures) == ["lever", "target", "name"]
    lines = {name: figure.axes[0].get_lines() for name, figure in figures.items()}
    assert lines["lever"][0].get_ydata().tolist() == pytest.approx([20.0, 30.0, 100 / 3])
    assert lines["lever"][1].get_ydata().tolist() == pytest.approx([21.0, 31.0, 103 / 3])
    scaler = model.dataset_parameters["scalers"]["lever"]
    expected = scaler.mean_[0] + scaler.scale_[0] * np.array([-2.0, 0.0, 2.0])
    np.testing.assert_allclose(lines["lever"][0].get_xdata(), expected)
    # Codes 0 and 1 are s0 and s1; the lower average comes first.
    points = [list(part.get_offsets()[:, 1]) for part in figures["name"].axes[0].collections]
    assert points == [pytest.approx([80 / 3, 35.0]), pytest.approx([83 / 3, 36.0])]


@pytest.fixture(scope="module", params=[1, 2], ids=["one target", "two targets"])
def dependent(request):
    frame = planted_frame().assign(second=lambda f: 2 * f.target + 1)
    several = {
        "target": ["target", "second"],
        "target_normalizer": MultiNormalizer(
            [GroupNormalizer(groups=["name"]), GroupNormalizer(groups=["name"])]
        ),
    }
    data = make_dataset(frame, **(several if request.param == 2 else {}))
    return data, make_model(data)


def by_target(result):
    return list(result.values()) if isinstance(result, dict) else [result]


def test_a_dependency_is_the_forecast_with_the_variable_set(dependent):
    data, model = dependent
    raw = by_target(model.predict_dependency(data, "lever", [-1.0, 0.0], mode="raw"))
    series = by_target(model.predict_dependency(data, "lever", [-1.0, 0.0], mode="series"))
    frames = by_target(model.predict_dependency(data, "lever", [-1.0, 0.0]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        data.set_overwrite_values(variable="lever", values=0.0, target="decoder")
    expected = model.predict(data)
    data.reset_overwrite_values()

    for number, output in enumerate(raw):
        one = expected if len(raw) == 1 else expected[number]
        torch.testing.assert_close(output[1], one)
        assert series[number].index.tolist() == [-1.0, 0.0]
        assert series[number][0.0] == pytest.approx(float(one.mean()), rel=1e-5)
        table = frames[number]
        assert list(table.columns) == [
            "time_idx",
            "name",
            "prediction",
            "normalized_prediction",
            "id",
            "lever",
        ]
        assert len(table) == 2 * len(data)
        ratio = output.mean(-1) / output[0].mean(-1)
        np.testing.assert_allclose(
            table["normalized_prediction"], ratio.flatten().numpy(), rtol=1e-4
        )


def test_a_dependency_leaves_the_dataset_as_it_was(dependent):
    data, model = dependent
    before = model.predict(data)
    model.predict_dependency(data, "lever", [5.0])

    torch.testing.assert_close(model.predict(data), before)


def test_an_unknown_mode_of_a_dependency_is_refused(dependent):
    data, model = dependent
    with pytest.raises(ValueError, match="must be 'dataframe', 'series' or 'raw', got 'table'"):
        model.predict_dependency(data, "lever", [1.0], mode="table")


def test_the_state_of_the_encoder_is_part_of_the_output():
    data = make_dataset()
    model = make_model(data)
    x, _ = first_batch(data)

    torch.testing.assert_close(model(x)["encoder_state"], model.encode(x))
