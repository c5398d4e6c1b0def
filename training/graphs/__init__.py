"""Builders of the graphs that bundles hold, from the weights that training made."""
