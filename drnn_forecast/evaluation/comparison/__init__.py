"""Several models on the same windows: compared once, or at origins that move through time."""
