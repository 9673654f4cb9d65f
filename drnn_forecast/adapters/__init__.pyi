from .onnx import export_onnx as export_onnx
