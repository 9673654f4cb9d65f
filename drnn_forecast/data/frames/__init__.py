"""A tidy frame with its roles and its frequency, checked, up to the arrays that datasets read."""
