"""The experiments of Chang et al. (2017) on `DilatedRNN` alone; results are in `docs/paper.md`."""
