"""Dilated recurrent networks for long, seasonal series: a pytorch-forecasting model.

Every public name is loaded when it is first used, so the torch layers stand alone: they load
neither Lightning nor pytorch-forecasting.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
