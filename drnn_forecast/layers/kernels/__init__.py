"""Compiled recurrences, a folder for each kind of device."""
