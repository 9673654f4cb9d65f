"""The results of a comparison or a backtest as one HTML page, with its pictures and tables."""
