"""A run's folder: write, read, lock."""

from hindi_bn.records.folder import COLUMNS, Checkpoint, Record, RunFolder

__all__ = ["COLUMNS", "Checkpoint", "Record", "RunFolder"]
