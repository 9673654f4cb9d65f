"""What torch's modules keep about their parts."""

from __future__ import annotations

from collections import OrderedDict
from types import MethodType
from typing import Any, TypeVar

from torch import nn

Mod = TypeVar("Mod", bound=nn.Module)


def view_of(module: Mod) -> Mod:
    """Return a module with the weights of another, and modes, devices and trainer of its own.

    A deep copy would copy the weights as well, a shallow one would share the parts of the module,
    and with them whether they train. Parts that torch compiled stay so where they do not train:
    what was compiled reads the mode of the other.
    """
    return _view(module, {})


def _view(module: Mod, made: dict[int, Any]) -> Mod:
    """Return the view of a module, once for each module."""
    if id(module) in made:
        known: Mod = made[id(module)]
        return known
    view = made[id(module)] = object.__new__(type(module))
    state = {name: _own(value, module, view) for name, value in vars(module).items()}
    for name, parameter in state["_parameters"].items():
        if parameter is not None:
            if id(parameter) not in made:
                shared = nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
                made[id(parameter)] = shared
            state["_parameters"][name] = made[id(parameter)]
    for name, part in state["_modules"].items():
        if part is not None:
            state["_modules"][name] = _view(part, made)
    if module.training and state.get("_compiled_call_impl") is not None:
        state["_compiled_call_impl"] = None
    vars(view).update(state)
    if isinstance(view, nn.RNNBase):
        names = view._flat_weights_names
        vars(view)["_flat_weights"] = [getattr(view, name, None) for name in names]
    return view


def _own(value: Any, module: nn.Module, view: nn.Module) -> Any:
    """Return what a view has in place of an attribute of its module."""
    if isinstance(value, MethodType) and value.__self__ is module:
        # Lightning leaves a bound `forward` on what it has trained in several processes.
        return MethodType(value.__func__, view)
    return value.copy() if type(value) in (dict, list, OrderedDict) else value
