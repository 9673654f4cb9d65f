"""Models as two files that run no code when read: safetensors for weights, JSON for the rest."""

from drnn_forecast.model.saving.folder import from_pretrained, save_pretrained

__all__ = ["from_pretrained", "save_pretrained"]
