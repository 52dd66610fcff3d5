"""Batch norm worked through, step by step, each step checked against torch."""
