"""Offline: makes, measures and exports the models that the worker serves."""
