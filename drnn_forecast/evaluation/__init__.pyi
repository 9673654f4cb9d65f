from .comparison.backtesting import backtest as backtest
from .comparison.comparing import compare as compare
from .comparison.plan import LEARNING_RATES as LEARNING_RATES
from .comparison.results import (
    Backtest as Backtest,
    Comparison as Comparison,
    Results as Results,
    dropped_text as dropped_text,
    tests_text as tests_text,
)
from .contenders.classical import auto_ets as auto_ets, auto_theta as auto_theta, mstl as mstl
from .contenders.naive import SeasonalNaive as SeasonalNaive
from .contenders.neural import (
    deepar as deepar,
    dilated_rnn as dilated_rnn,
    gru as gru,
    lstm as lstm,
    nhits as nhits,
    tft as tft,
)
from .contenders.registry import Model as Model
from .evaluating import evaluate as evaluate
from .report.folder import write_report as write_report, write_tables as write_tables
from .scores import (
    error_by_step as error_by_step,
    scores as scores,
    weighted_quantile_loss as weighted_quantile_loss,
)
