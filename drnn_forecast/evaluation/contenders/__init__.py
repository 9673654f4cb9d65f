"""The other models under one face: trained, classical and naive, with quantiles for all."""
