"""Models that judge texts: scorers of the project's own bundles, and encoders on ONNX Runtime."""
