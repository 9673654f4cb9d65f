from .onnx import export_onnx as export_onnx
from .serve.entry import forecast_app as forecast_app, serve_folder as serve_folder
from .serve.limits import Limits as Limits
