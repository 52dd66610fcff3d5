"""Reproduce, question and extend the Hindi-digit batch-normalisation study."""

__version__ = "0.1.0"
