"""The paper: dilated layers, the recurrence that they share, and the arithmetic of their memory."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
