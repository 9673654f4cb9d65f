"""Every private name of the host libraries that we touch, each behind one of ours that says why."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
