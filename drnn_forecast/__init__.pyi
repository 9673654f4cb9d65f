from .adapters import export_onnx as export_onnx
from .data import (
    BatchedTimeSeriesDataSet as BatchedTimeSeriesDataSet,
    ForecastData as ForecastData,
    Splits as Splits,
    load_sample as load_sample,
)
from .evaluation import (
    Backtest as Backtest,
    Comparison as Comparison,
    SeasonalNaive as SeasonalNaive,
    backtest as backtest,
    compare as compare,
)
from .layers import (
    DilatedCell as DilatedCell,
    DilatedRNN as DilatedRNN,
    DilatedRNNLayer as DilatedRNNLayer,
    OutputFusion as OutputFusion,
    RecurrentCell as RecurrentCell,
    dilation_schedule as dilation_schedule,
    mean_recurrent_length as mean_recurrent_length,
    recommend_dilations as recommend_dilations,
)
from .model import (
    DilatedRNNForecaster as DilatedRNNForecaster,
    Ensemble as Ensemble,
    Forecaster as Forecaster,
    Recipe as Recipe,
    load as load,
)
from .training import (
    FitResult as FitResult,
    SearchSpace as SearchSpace,
    fit as fit,
    train as train,
    tune as tune,
)

__version__: str
