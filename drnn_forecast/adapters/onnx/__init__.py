"""Networks for other runtimes as ONNX, and forecasts from them without torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
