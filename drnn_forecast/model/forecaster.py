"""`DilatedRNNForecaster`: a dilated RNN as a pytorch-forecasting model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.metrics import MAE, RMSE, SMAPE, Metric
from torch import Tensor, nn
from typing_extensions import Self

from drnn_forecast.host import interrupts_held_back, own_hyperparameters
from drnn_forecast.layers import (
    Cell,
    DilatedRNN,
    OutputFusion,
    SegmentEmbedding,
    checked_integer,
    checked_width,
    checked_widths,
    common_divisor,
    resolve_dilations,
)
from drnn_forecast.model.base import ForecastingModel
from drnn_forecast.model.embeddings import ColumnEmbeddings
from drnn_forecast.model.features import FeatureReader, last_steps, steps_before, whole_segments
from drnn_forecast.model.heads import MultiHorizonHead, target_heads
from drnn_forecast.model.interpretation import InterpretableModel
from drnn_forecast.model.losses import checked_bounds, losses_of_targets, quantile_loss
from drnn_forecast.model.recipe import Recipe
from drnn_forecast.model.resting import at_rest
from drnn_forecast.model.settings import fitted_hyperparameters, importable_cell, is_none
from drnn_forecast.model.starting import start
from drnn_forecast.model.trained import TrainedModel

NO_HYPERPARAMETERS: Final = [
    "cls",
    "__class__",
    "dataset",
    "allowed_encoder_known_variable_names",
    "kwargs",
]
"""What `from_dataset` takes beside hyperparameters."""


class DilatedRNNForecaster(TrainedModel, InterpretableModel, ForecastingModel):
    """Forecasts every step of the horizon at once from the last state of a dilated RNN.

    Make one with `from_dataset`, which fills in everything below the architecture.

    Args:
        hidden_size: Units of every layer, or a list with one width per layer.
        num_layers: L, the number of dilated layers; None derives the depth with the shortest
            memory paths over what the encoder reads, by `recommend_dilations` (`from_dataset`
            only).
        dilation_base: M, the ratio between neighbouring dilations; None is the recipe's.
        start_exponent: l0, the lowest dilation is M^l0; None is 0.
        dilations: Time steps, one per layer, lowest first, in place of the three above.
        cell_type: `"RNN"`, `"GRU"` or `"LSTM"`; or a class of your own that makes a
            `RecurrentCell` of an input size and a hidden size. Checkpoints keep its name, so it
            has to be importable; `save_pretrained` refuses it.
        input_kernel_size: k, as in `DilatedRNNLayer`, of every layer; 1 is the paper's.
        dropout: Between layers and in the head, at least 0 and below 1.
        residual: Add the input of each layer but the first to its output.
        season_length: One or several seasons, time steps; the forecast is then the difference,
            in the normaliser's space, from a learned mix of the values one season ago. A season
            of 1 is the last value. `()`: none. None: those that show in the values and that a
            window holds (`from_dataset` only).
        level_anchor: Whether the mean of the window takes part in that mix.
        smoothed_anchors: Whether smoothed levels, drifts and seasonal profiles do too, each
            weighted by what it would have earned in the window (`EarnedAnchors`), from which the
            untrained model forecasts.
        linear_length: So many last values of the target, time steps, are mapped linearly to every
            step, and a gate of each step says how much of that is added (`LinearHistory`); 0: none;
            None: as many as the encoder reads, where the loss has a location (`from_dataset` only).
        context_length: The encoder reads the last `context_length` valid time steps of the
            window; None reads all. Seasons may look further back, up to the whole window.
        segment_length: k, time steps, a divisor of what the encoder reads: it reads segments of k
            steps, counted from the end of the window, through one linear layer, in k times fewer
            serial steps, and `dilations` count segments. None reads step by step.
        head_size: Units of the head's hidden layers; None is the width of the top layer.
        relative_loss: Divide each window's loss by how far its target moves within a season, so
            that no series drowns another. For MAE and `QuantileLoss` of one target.
        lower, upper: The least and the largest value of the targets, in their units, which no
            quantile and no point passes; infinite: none. None: 0 and infinite where no target of
            the dataset is below 0, else infinite (`from_dataset` only).
        max_prediction_length: The longest forecast, time steps.
        output_size: Numbers per step and target, given by the loss.
        target: Name of the target, or a list of names.
        loss: A metric of pytorch-forecasting or torchmetrics, for several targets a `MultiLoss`;
            None is `quantile_loss()`, and `CrossEntropy()` for a categorical target.
        logging_metrics: None is SMAPE, MAE and RMSE.
        roles: Which column of a tidy frame plays which part (`Roles.to_dict()`), kept for
            forecasts from a checkpoint alone. `from_dataset` reads them off a dataset that
            `ForecastData` made; None: frames have the dataset's own columns.
        record: What the model has seen, and what `train` and `update` did (`card`).
        num_series: How many series of the training the model knows the scales of (`Magnitudes`).
        static_categoricals, ..., embedding_labels: Names and sizes of the variables, as in
            `BaseModelWithCovariates`.
        **kwargs: Of pytorch-forecasting's `BaseModel`: `learning_rate`, `optimizer`, ...

    Raises:
        ValueError: A value is out of range, `dilations` is given beside a schedule, or a season
            is asked for with a loss or a target that cannot be anchored.
        TypeError: A value has the wrong type.
    """

    def __init__(
        self,
        hidden_size: int | Sequence[int] = Recipe.hidden_size,
        num_layers: int | None = None,
        dilation_base: int | None = None,
        start_exponent: int | None = None,
        dilations: Sequence[int] | None = None,
        cell_type: Cell = Recipe.cell_type,
        input_kernel_size: int = 1,
        dropout: float = Recipe.dropout,
        residual: bool = False,
        season_length: int | Sequence[int] | None = None,
        level_anchor: bool = False,
        smoothed_anchors: bool = False,
        linear_length: int | None = None,
        context_length: int | None = None,
        segment_length: int | None = None,
        head_size: int | None = Recipe.head_size,
        relative_loss: bool = False,
        lower: float = Recipe.lower,
        upper: float = math.inf,
        max_prediction_length: int = 1,
        output_size: int | Sequence[int] = 7,
        target: str | Sequence[str] | None = None,
        loss: Metric | None = None,
        logging_metrics: nn.ModuleList | None = None,
        roles: Mapping[str, Any] | None = None,
        record: Mapping[str, Any] | None = None,
        num_series: int = 0,
        static_categoricals: Sequence[str] = (),
        static_reals: Sequence[str] = (),
        time_varying_categoricals_encoder: Sequence[str] = (),
        time_varying_categoricals_decoder: Sequence[str] = (),
        time_varying_reals_encoder: Sequence[str] = (),
        time_varying_reals_decoder: Sequence[str] = (),
        x_reals: Sequence[str] = (),
        x_categoricals: Sequence[str] = (),
        categorical_groups: Mapping[str, Sequence[str]] | None = None,
        embedding_sizes: Mapping[str, tuple[int, int]] | None = None,
        embedding_paddings: Sequence[str] = (),
        embedding_labels: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # What is saved is what was resolved, so that a checkpoint needs no dataset to load.
        if dilations is None and dilation_base is None:
            dilation_base = Recipe.dilation_base
        dilations = resolve_dilations(
            dilations,
            num_layers=num_layers,
            dilation_base=dilation_base,
            start_exponent=start_exponent,
        )
        num_layers = dilation_base = start_exponent = None
        cell_type = importable_cell(cell_type)
        if context_length is not None:
            context_length = checked_integer("context_length", context_length, minimum=1)
        linear_length = checked_integer("linear_length", linear_length or 0, minimum=0)
        lower, upper = checked_bounds(lower, upper)
        season_length = None if is_none(season_length) else season_length
        loss = quantile_loss() if loss is None else loss
        if logging_metrics is None:
            logging_metrics = nn.ModuleList([SMAPE(), MAE(), RMSE()])
        categorical_groups = dict(categorical_groups or {})
        embedding_sizes = dict(embedding_sizes or {})
        embedding_labels = dict(embedding_labels or {})
        static_categoricals, static_reals = list(static_categoricals), list(static_reals)
        time_varying_categoricals_encoder = list(time_varying_categoricals_encoder)
        time_varying_categoricals_decoder = list(time_varying_categoricals_decoder)
        time_varying_reals_encoder = list(time_varying_reals_encoder)
        time_varying_reals_decoder = list(time_varying_reals_decoder)
        with interrupts_held_back(), own_hyperparameters(), warnings.catch_warnings():
            self.save_hyperparameters(ignore=["loss", "logging_metrics"])
            # The base saves both as hyperparameters, by design, and Lightning advises against it.
            warnings.filterwarnings("ignore", message="Attribute '(loss|logging_metrics)'")
            super().__init__(loss=loss, logging_metrics=logging_metrics, **kwargs)

        self.embeddings = ColumnEmbeddings(
            embedding_sizes, x_categoricals, categorical_groups, embedding_paddings
        )
        self.encoder_features = FeatureReader.of(self, "encoder")
        self.decoder_features = FeatureReader.of(self, "decoder")
        self._build_encoder()
        self._build_heads()

    @classmethod
    def from_dataset(  # noqa: D417 - the class describes its hyperparameters
        cls,
        dataset: TimeSeriesDataSet,
        allowed_encoder_known_variable_names: list[str] | None = None,
        *,
        hidden_size: int | Sequence[int] | None = None,
        num_layers: int | None = None,
        dilation_base: int | None = None,
        start_exponent: int | None = None,
        dilations: Sequence[int] | None = None,
        cell_type: Cell | None = None,
        input_kernel_size: int = 1,
        dropout: float | None = None,
        residual: bool = False,
        season_length: int | Sequence[int] | None = None,
        level_anchor: bool = False,
        smoothed_anchors: bool | None = None,
        linear_length: int | None = None,
        context_length: int | None = None,
        segment_length: int | None = None,
        head_size: int | None = None,
        relative_loss: bool | None = None,
        lower: float | None = None,
        upper: float | None = None,
        loss: Metric | Sequence[Metric] | None = None,
        learning_rate: float | None = None,
        reduce_on_plateau_patience: int | None = Recipe.reduce_on_plateau_patience,
        embedding_sizes: Mapping[str, tuple[int, int]] | None = None,
        roles: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return a model whose inputs, horizon and scaling are those of `dataset`.

        Hyperparameters that are not listed are those of the class; what is None, the recipe says.

        Args:
            dataset: The training dataset.
            allowed_encoder_known_variable_names: Known variables that the encoder reads; None
                is all.
            learning_rate: Of the optimiser; None: the recipe's.
            reduce_on_plateau_patience: Validations without a better loss after which the learning
                rate is divided; None: never.
            recipe: Settings for what is None; None: those that follow from the targets of `dataset`
                (`Recipe.of`), of which the encoder reads the whole windows.
            **kwargs: Of pytorch-forecasting's `BaseModel`: `optimizer`, `weight_decay`, ...

        Raises:
            ValueError: A hyperparameter is out of range or does not fit the dataset.
            TypeError: A hyperparameter has the wrong type.

        Warns:
            UserWarning: A dilation is so long that no window of the dataset can use it.
        """
        options = {
            name: value for name, value in locals().items() if name not in NO_HYPERPARAMETERS
        }
        longest = dataset.max_prediction_length
        options |= {"target": dataset.target, "max_prediction_length": longest, **kwargs}
        model: Self = super().from_dataset(
            dataset,
            allowed_encoder_known_variable_names=allowed_encoder_known_variable_names,
            **fitted_hyperparameters(options, dataset),
        )
        start(model, dataset)
        return model

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the network output whose `prediction` is `(batch, steps, outputs)`.

        In target units, for several targets a list of such tensors. Quantiles never cross. Its
        `encoder_state` is what `encode` returns.

        Args:
            x: A batch of a `TimeSeriesDataSet`, padded on the right.

        Raises:
            ValueError: The batch asks for a longer horizon than the model was made for.
        """
        x = self.scaled_batch(x)
        covariates = self.decoder_features(x["decoder_cat"], self.as_weights(x["decoder_cont"]))
        raw = self.head(state := self._encoded(x), covariates)
        # A level and what moves about it do not fit into half precision together.
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        parts = raw.split([head.input_size for head in self.target_heads], dim=-1)
        known = self.known_histories(x)
        heads = zip(self.target_heads, parts, self.histories(x), known, strict=True)
        predictions = [
            head(part, past, x["encoder_lengths"], own) for head, part, past, own in heads
        ]
        prediction = self.transform_output(
            predictions if self.n_targets > 1 else predictions[0], x["target_scale"]
        )
        return self.to_network_output(prediction=at_rest(self, prediction, x), encoder_state=state)

    def encode(self, x: dict[str, Tensor]) -> Tensor:
        """Return the encoder's state after each window's last valid step, `(batch, hidden)`.

        Zero for a window without history.
        """
        return self._encoded(self.scaled_batch(x))

    def _encoded(self, x: dict[str, Any]) -> Tensor:
        """Return what `encode` does, of a batch whose targets are scaled."""
        lengths = x["encoder_lengths"]
        cat, cont = x["encoder_cat"], self.as_weights(x["encoder_cont"])
        context = self.hparams.context_length
        if context is not None and context < cont.shape[1]:
            cat, cont, lengths = last_steps(cat, cont, lengths, context)
        # Time-major, so that the dilated layers fold without a copy.
        features = self.encoder_features(cat.transpose(0, 1), cont.transpose(0, 1))
        if self.segments is not None:
            features, lengths = whole_segments(features, lengths, self.segments.length)
            features = self.segments(features)
        output, _ = self.encoder(features)
        if self.fusion is None:
            return steps_before(output, lengths, 1)[0]
        last = steps_before(output, lengths, self.fusion.width)
        fused: Tensor = self.fusion(last[-1:], last[:-1])[0]
        return fused[0]

    @classmethod
    def _pkg(cls) -> type:
        """Return the package container by which pytorch-forecasting finds the model."""
        # The package names its model, and upstream asks the model for its package.
        from drnn_forecast.model.package import DilatedRNNForecaster_pkg

        return DilatedRNNForecaster_pkg

    def _build_encoder(self) -> None:
        """Make the dilated stack and, where its dilations share a divisor, the fusion."""
        parts = self.hparams
        size = self.encoder_features.size
        self.segments = None
        if parts.segment_length is not None:
            size = checked_widths(parts.hidden_size, len(parts.dilations))[0]
            self.segments = SegmentEmbedding(self.encoder_features.size, size, parts.segment_length)
        self.encoder = DilatedRNN(
            size,
            parts.hidden_size,
            dilations=parts.dilations,
            cell_type=parts.cell_type,
            input_kernel_size=parts.input_kernel_size,
            dropout=parts.dropout,
            residual=parts.residual,
        )
        divisor, width = common_divisor(parts.dilations), self.encoder.hidden_sizes[-1]
        self.fusion = OutputFusion(width, divisor) if divisor > 1 else None

    def _build_heads(self) -> None:
        """Make the head and, behind it, one small head per target."""
        parts = self.hparams
        horizon = checked_integer("max_prediction_length", parts.max_prediction_length, minimum=1)
        self.target_heads = target_heads(parts, losses_of_targets(self.loss))
        sizes: list[int] = [head.input_size for head in self.target_heads]  # type: ignore[misc]
        width, unset = self.encoder.hidden_sizes[-1], parts.head_size is None
        self.head = MultiHorizonHead(
            state_size=width,
            covariate_size=self.decoder_features.size,
            horizon=horizon,
            output_size=sum(sizes),
            hidden_size=checked_width("head_size", width if unset else parts.head_size),
            dropout=parts.dropout,
            starts_at_zero=parts.smoothed_anchors,
        )

    def histories(self, x: dict[str, Tensor]) -> list[Tensor | None]:
        """Return each target's normalised past, `(batch, time)`; None where nothing needs it."""
        if all(not head.reads_history for head in self.target_heads):
            return [None] * len(self.target_heads)
        return [x["encoder_cont"][..., position] for position in self.target_places]
