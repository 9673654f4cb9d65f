"""The kernels of a GPU compiled for one, which no GPU is needed for."""

import os
import subprocess
import sys

import pytest

from drnn_forecast.layers.kernels.gpu.operator import HAS_TRITON

SHARED_MEMORY = 227 * 1024
"""Bytes that a program may have on a GPU of compute capability 9.0."""

CHILD = """
import sys

import torch
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from drnn_forecast.layers.kernels.gpu import launch, operator, passes, products

NAMES = {torch.float32: "*fp32", torch.bfloat16: "*bf16"}
ROWS = {"ROWS": 64, "COLUMNS": 64, "DEPTH": 32, "HIDDEN": 64, "ADDS_STATE": True, "HAS_BIAS": True}
SUMS = {"ROWS": 32, "COLUMNS": 64, "WIDTH": 64, "SHIFTED": True}
INTEGERS = {"rows", "lanes", "depth", "columns", "stride", "k_stride", "n_stride", "first", "wrap",
            "width"}


def shared(kernel, pointer, constants, ones=(), **options):
    signature = {
        name: "constexpr" if name in constants or name in ones
        else "i32" if name in INTEGERS
        else "*fp32" if name == "partial"
        else pointer
        for name in kernel.arg_names
    }
    constants = {n: v for n, v in constants.items() if n in signature} | dict.fromkeys(ones, 1)
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    made = compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    return made.metadata.shared


torch.backends.cudnn.allow_tf32 = sys.argv[1] == "short"
for dtype, pointer in NAMES.items():
    precision = {"PRECISION": launch._precision()}
    print(shared(products.row_products, pointer, ROWS | precision))
    print(shared(products.weight_gradients, pointer, SUMS | precision))
    ones = (*INTEGERS,)  # which Triton compiles anew for
    for kernel, known in ((products.row_products, ROWS), (products.weight_gradients, SUMS)):
        own = [name for name in ones if name in kernel.arg_names]
        print(shared(kernel, pointer, known | precision, own))
    for cell in operator.CELLS.values():
        for hidden in (1, 64, operator.MOST_UNITS[dtype]):
            x = torch.empty(2, 3, dtype=dtype)
            plan = launch.Launch(cell, x, [], torch.empty(2, hidden), dtype)
            options = dict(plan.options)
            given = {name: options.pop(name) for name in ("num_warps", "num_stages")}
            ones = ("rows", "lanes") if hidden == 1 else ()
            for kernel in (passes.recur_forward, passes.recur_backward):
                constants = options | ({"KEEPS": True} if kernel is passes.recur_forward else {})
                print(shared(kernel, pointer, constants, ones, **given))
"""


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TRITON, reason="Triton has no wheel for this system")
@pytest.mark.parametrize("products", ["short", "exact"])
def test_the_kernels_compile_and_fit_into_the_memory_of_a_multiprocessor(products):
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, products],
        env={**os.environ, "TRITON_INTERPRET": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    sizes = [int(line) for line in found.stdout.split()]
    assert len(sizes) == 2 * (4 + 3 * 3 * 2)
    assert max(sizes) <= SHARED_MEMORY
