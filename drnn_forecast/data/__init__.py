"""A tidy frame with its roles, the datasets made of it, and their batches."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
