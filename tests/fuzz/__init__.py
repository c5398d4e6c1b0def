"""Feeds the worker's way from bytes to tokens with anything, and checks that each input has a readable outcome."""
