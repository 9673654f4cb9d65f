"""Measurements on a GPU, in one script that needs a few minutes of one."""
