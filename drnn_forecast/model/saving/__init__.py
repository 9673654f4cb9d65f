"""Models as two files that run no code when read: safetensors for weights, JSON for the rest."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
