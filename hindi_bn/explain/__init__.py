"""Batch norm worked through, step by step, each step checked against torch."""

from hindi_bn.explain.batches import RealBatch, batch_of_digit, batch_of_image
from hindi_bn.explain.document import Check, Explanation, Step, Values
from hindi_bn.explain.real_batch import explain_batch, explain_run
from hindi_bn.explain.worked import explain_worked, worked_batch

__all__ = [
    "Check",
    "Explanation",
    "RealBatch",
    "Step",
    "Values",
    "batch_of_digit",
    "batch_of_image",
    "explain_batch",
    "explain_run",
    "explain_worked",
    "worked_batch",
]
