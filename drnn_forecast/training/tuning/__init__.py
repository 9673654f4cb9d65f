"""The search for good hyperparameters: the space, `tune` and its result."""
