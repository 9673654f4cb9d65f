"""The recurrence on a CPU, compiled by numba: an operator of torch with its own backward pass."""
