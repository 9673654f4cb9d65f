"""Private names of other libraries in our code, found in its syntax."""

import ast

UNDOCUMENTED = {
    "checkpoint_io",
    "current_batch_indices",
    "epoch_batch_indices",
    "hparams_special",
    "lr_scheduler_configs",
}
"""Names without an underscore that their libraries promise as little."""

NAMED_TUPLE = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
"""The public face of a named tuple, whose fields own the other names."""


def is_private(name):
    """Return whether a name is private; `__x__` and `_` are not."""
    return name.strip("_") != "" and name.startswith("_") and not name.endswith("__")


def defined_names(tree):
    """Return the private names that a file defines: functions, classes, variables, attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            is_own = getattr(node.value, "id", None) in ("self", "cls")
            names |= {node.attr} if is_own else set()
    return {name for name in names if is_private(name)}


def touched_names(tree, ours):
    """Return the private names of others that a file imports, reads, writes or looks up."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
            found |= set(filter(is_private, parts))
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("drnn_fore"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            found |= set(filter(is_private, names))
        elif isinstance(node, ast.Attribute):
            is_foreign = is_private(node.attr) and node.attr not in ours | NAMED_TUPLE
            if is_foreign or node.attr in UNDOCUMENTED:
                found.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("attr"):
            name = getattr(node.args[1], "value", None)
            found |= {name} if isinstance(name, str) and is_private(name) else set()
    return found
