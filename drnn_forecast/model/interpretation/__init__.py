"""What a forecast leans on: steps of the encoder, dilations, and the values of variables."""

from drnn_forecast.model.interpretation.methods import InterpretableModel

__all__ = ["InterpretableModel"]
