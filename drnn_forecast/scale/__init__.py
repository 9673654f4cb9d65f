"""Forecasts beyond one process: partition by partition, over processes of one machine or Ray."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
