"""Forecasts over HTTP, by FastAPI and uvicorn."""
