"""Dilated recurrent networks for long, seasonal series: a pytorch-forecasting model."""
