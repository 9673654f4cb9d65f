from .folder import export_folder as export_folder
from .forecaster import OnnxForecaster as OnnxForecaster, load as load
from .network import (
    INPUTS as INPUTS,
    ForecastNetwork as ForecastNetwork,
    export_onnx as export_onnx,
    network_inputs as network_inputs,
    output_names as output_names,
)
