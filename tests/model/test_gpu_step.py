"""What a step on a GPU asks of the host, seen on the CPU: the device `meta` stands in for one.

It holds no numbers, so that whoever waits for one is found; a second mode finds lists that torch
would copy to the device.
"""

import copy
from contextlib import suppress

import lightning.pytorch as pl
import pytest
import torch
from pytorch_forecasting.data import EncoderNormalizer, MultiNormalizer
from pytorch_forecasting.metrics import (
    MAE,
    MAPE,
    MASE,
    RMSE,
    SMAPE,
    MultiLoss,
    NormalDistributionLoss,
    QuantileLoss,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster
from drnn_forecast.data import moved_together, on_host
from drnn_forecast.model.losses import batch_loss
from drnn_forecast.model.stepping import _observed
from series import make_dataset, planted_frame

ATEN = torch.ops.aten
WAITING = {
    ATEN._local_scalar_dense.default: 0,
    ATEN.is_nonzero.default: False,
    ATEN.equal.default: False,
}
"""What needs a number on the host, and an answer for it to go on with."""
GROWING = {ATEN.nonzero.default, ATEN._unique2.default, ATEN.masked_select.default}
"""What makes a tensor whose size the host has to learn."""
INDEXING = {ATEN.index.Tensor, ATEN.index_put_.default, ATEN.index_put.default}
"""What does so where the index is a mask."""


class Crossings(TorchDispatchMode):
    """Notes operations that wait for the device, or that carry tensors between it and the host."""

    def __init__(self):
        super().__init__()
        self.found = []

    @staticmethod
    def leaves(options):
        """Return whether a tensor on the device is asked for on the host."""
        return torch.device(options.get("device") or "meta").type != "meta"

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = [part for part in tree_leaves((args, kwargs)) if isinstance(part, torch.Tensor)]
        is_there = any(part.device.type == "meta" for part in given)
        index = [part for part in args[1] if part is not None] if func in INDEXING else []
        is_masked = any(part.dtype == torch.bool for part in index)
        if is_there and (func in WAITING or func in GROWING or is_masked or self.leaves(kwargs)):
            self.found.append(str(func))
            if func in WAITING:
                return WAITING[func]
        result = func(*args, **kwargs)
        made = [part for part in tree_leaves(result) if isinstance(part, torch.Tensor)]
        # A number on the host is handed over with the operation.
        places = {part.device.type for part in [*given, *made] if part.dim()}
        if len(places) > 1:
            self.found.append(str(func))
        return result


class Lists(TorchFunctionMode):
    """Notes lists that become tensors on the device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        is_there = torch.device(kwargs.get("device") or "cpu").type == "meta"
        if func in (torch.tensor, torch.as_tensor) and is_there:
            self.found.append(f"{func.__name__}({args[0]})")
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if args[0].device.type == "meta" and any(isinstance(part, list) for part in index):
                self.found.append(f"{func.__name__}({index})")
        return func(*args, **kwargs)


def on_device(data):
    """Return a batch on the device, as a trainer brings it there."""
    return tree_map(lambda part: part.to("meta") if isinstance(part, torch.Tensor) else part, data)


def crossings(run):
    """Return what `run` carries over or waits for."""
    with Lists() as lists, Crossings() as others:
        run()
    return lists.found + others.found


def attached(model, stage):
    """Return a model on the device, with a trainer in a stage and without its log."""
    model = copy.deepcopy(model).to("meta")
    model.trainer = pl.Trainer(
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model.trainer.state.stage = stage
    model.trainer.state.fn = "fit"
    model.log = lambda *args, **kwargs: None
    model.usual_size = 1.0  # read once a fit
    return model.train(stage == "train")


def moved_batch(model, dataset):
    """Return a batch as the trainer hands it to a model on the device."""
    batch = next(iter(dataset.to_dataloader(True, batch_size=8, num_workers=0)))
    return model.moved_batch(batch, torch.device("meta"), 0)


TWO = {
    "target": ["target", "other"],
    "time_varying_unknown_reals": ["target", "other"],
    "target_normalizer": MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
}
KINDS = {
    "anchored": ({}, {}),
    "plain": (
        {},
        {
            "smoothed_anchors": False,
            "season_length": (12, 24),
            "level_anchor": True,
            "linear_length": 6,
            "dilations": (2, 4),
        },
    ),
    "segments": ({}, {"context_length": 24, "segment_length": 4, "input_kernel_size": 2}),
    "unsorted quantiles": ({}, {"loss": lambda: QuantileLoss([0.9, 0.1, 0.5])}),
    "absolute": ({}, {"loss": MAE, "relative_loss": True}),
    "normal": ({}, {"loss": NormalDistributionLoss}),
    "short windows": ({"min_encoder_length": 5}, {}),
    "missing values": ({"target_normalizer": EncoderNormalizer()}, {}),
    "two targets": (TWO, {}),
    "two losses": (TWO, {"loss": lambda: MultiLoss([MAE(), QuantileLoss()])}),
}


def made(kind):
    """Return a dataset and a model of it."""
    of_data, of_model = KINDS[kind]
    if "dilations" not in of_model:
        of_model = {"num_layers": 2, **of_model}
    if "loss" in of_model:
        of_model = {**of_model, "loss": of_model["loss"]()}
    torch.manual_seed(0)
    frame = planted_frame(length=100)
    dataset = make_dataset(frame, **of_data)
    if kind == "missing values":
        frame.loc[20:24, "target"] = float("nan")
        options = {**dataset.get_parameters(), "allow_missing_targets": True}
        dataset = BatchedTimeSeriesDataSet(frame, **options)
    return dataset, DilatedRNNForecaster.from_dataset(dataset, hidden_size=4, **of_model)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (lambda x: bool(x.any()), 1),
        (lambda x: x[x > 0], 1),
        (lambda x: x.sum().item(), 1),
        (lambda x: x[[0, 1]], 1),
        (lambda x: torch.tensor([1.0, 2.0], device=x.device), 1),
        (lambda x: x.cpu(), 1),
        (lambda x: x + torch.ones(3).to(x.device), 1),
        (lambda x: (x + 1.0)[:, 0:1] * torch.arange(3, device=x.device), 0),
    ],
)
def test_what_waits_for_the_device_or_copies_is_found(run, found):
    def tried():
        with suppress(NotImplementedError, RuntimeError):  # of what has no numbers
            run(torch.ones(3, 3, device="meta"))

    assert len(crossings(tried)) >= found
    assert found or not crossings(tried)


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_neither_waits_for_the_device_nor_copies_to_it(kind):
    dataset, model = made(kind)
    model = model.to("meta")
    x, _ = moved_batch(model, dataset)

    assert crossings(lambda: model(x)) == []


@pytest.mark.parametrize(
    "kind", ["anchored", "plain", "segments", "short windows", "missing values", "two losses"]
)
def test_a_step_of_training_does_neither(kind):
    dataset, model = made(kind)
    model = attached(model, "train")
    batch = moved_batch(model, dataset)

    assert crossings(lambda: model.training_step(batch, 0)["loss"].backward()) == []


@pytest.mark.parametrize("kind", ["anchored", "absolute", "missing values"])
def test_a_step_of_validation_and_what_it_logs_do_neither(kind):
    dataset, model = made(kind)
    model = attached(model, "validate")
    batch = moved_batch(model, dataset)

    assert crossings(lambda: model.validation_step(batch, 0)) == []


@pytest.mark.parametrize("kind", ["anchored", "absolute", "two targets", "two losses"])
@pytest.mark.parametrize("is_weighed", [False, True])
def test_the_loss_of_a_batch_is_that_of_its_metric(kind, is_weighed):
    dataset, model = made(kind)
    x, (target, _) = next(iter(dataset.to_dataloader(True, batch_size=8, num_workers=0)))
    lengths = torch.tensor([12, 3, 12, 1, 5, 12, 7, 12])
    weight = torch.rand(8, 12) if is_weighed else None
    prediction = model(x)["prediction"]
    y = (target, weight)
    expected = model.loss(prediction, _observed(y, lengths))
    found = batch_loss(model.loss, prediction, *y, lengths)
    torch.testing.assert_close(found, expected)

    parts = list(model.encoder.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(found, parts, retain_graph=True), torch.autograd.grad(expected, parts)
    )


@pytest.mark.parametrize("metric", [SMAPE(), RMSE(), MAE(), MAPE()])
def test_so_is_a_metric_that_is_logged(metric):
    torch.manual_seed(0)
    point, target = torch.rand(4, 6) + 1, torch.rand(4, 6) + 1
    lengths = torch.tensor([6, 2, 6, 1])
    expected = metric(point, _observed((target, None), lengths))

    torch.testing.assert_close(batch_loss(metric, point, target, None, lengths), expected)


@pytest.mark.parametrize("loss", [MASE(), MultiLoss([MAE(), MASE()])])
def test_a_metric_with_an_update_of_its_own_is_asked_itself(loss):
    numbers = torch.rand(2, 4)
    given = [numbers, numbers] if isinstance(loss, MultiLoss) else numbers

    assert batch_loss(loss, given, given, None, torch.tensor([4, 4])) is None


def test_lengths_are_remembered_where_the_batch_goes():
    dataset, model = made("anchored")
    x, _ = moved_batch(model, dataset)

    assert on_host(x["decoder_lengths"]).tolist() == [12] * 8


@pytest.mark.parametrize("kind", ["anchored", "two targets"])
def test_a_batch_comes_in_one_copy_as_it_is(kind):
    dataset, model = made(kind)
    batch = next(iter(dataset.to_dataloader(True, batch_size=8, num_workers=0)))
    once = [str(ATEN._to_copy.default)]
    assert crossings(lambda: moved_together(batch, torch.device("meta"))) == once
    assert crossings(lambda: model.moved_batch(batch, torch.device("meta"), 0)) == once

    there = moved_together(batch, torch.device("cpu"))
    torch.testing.assert_close(there, batch, rtol=0, atol=0)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_so_do_tensors_of_every_type_and_size(size):
    batch = {
        name: torch.arange(size * 2).view(2, size).to(dtype)
        for name, dtype in [("a", torch.bool), ("b", torch.float64), ("c", torch.int32)]
    }
    batch |= {"strided": torch.arange(size * 2.0).view(size, 2).T, "none": None, "word": "x"}
    moved = moved_together(batch, torch.device("cpu"))

    for name, part in batch.items():
        assert part is moved[name] or torch.equal(part, moved[name])
        assert not isinstance(part, torch.Tensor) or part.dtype == moved[name].dtype


def test_a_forecast_goes_in_and_out_in_one_copy_each():
    _, model = made("anchored")
    frame = planted_frame(length=100)
    is_past = frame.time_idx < 88
    future = frame.loc[~is_past, ["name", "time_idx", "lever"]]
    model = model.to("meta").eval()
    with suppress(NotImplementedError, RuntimeError):  # the end of it, which has no numbers there
        found = []
        with Lists() as lists, Crossings() as others:
            found.extend([lists, others])
            model.forecast(frame[is_past], future=future)

    copies = found[0].found + found[1].found
    assert [name.split(".")[1] for name in copies] == ["to", "to"]


def test_the_optimiser_is_fused_on_a_gpu_unless_something_else_was_asked(monkeypatch):
    monkeypatch.setattr("drnn_forecast.model.base.FUSED_ON", ("cpu",))
    _, model = made("anchored")
    plain, other = (copy.deepcopy(model) for _ in range(2))
    other.hparams.optimizer_params = {"fused": False}
    for each in (plain, other):
        each.trainer = pl.Trainer(logger=False, enable_checkpointing=False)

    assert plain.configure_optimizers()["optimizer"].defaults["fused"] is True
    assert plain.hparams.optimizer_params is None
    assert other.configure_optimizers()["optimizer"].defaults["fused"] is False


def test_it_is_not_where_half_precision_scales_the_gradients(monkeypatch):
    monkeypatch.setattr("drnn_forecast.model.base.FUSED_ON", ("cpu",))
    _, model = made("anchored")
    model.trainer = pl.Trainer(logger=False, enable_checkpointing=False)
    monkeypatch.setattr(model.trainer.precision_plugin, "scaler", object(), raising=False)

    assert model.configure_optimizers()["optimizer"].defaults["fused"] is None
