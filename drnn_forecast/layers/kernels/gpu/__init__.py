"""The recurrence on a GPU, compiled by Triton: an operator of torch with its own backward pass."""
