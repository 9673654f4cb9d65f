"""Partitioned Parquet datasets: their files, which series lie where, and frames of some series."""
