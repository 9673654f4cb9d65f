"""The results of a comparison or a backtest as one HTML page, with its pictures and tables."""

from drnn_forecast.evaluation.report.folder import write_report
from drnn_forecast.evaluation.report.results import Results

__all__ = ["Results", "write_report"]
