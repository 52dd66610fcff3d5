"""A run's folder: write, read, lock."""

from hindi_bn.records.checkpoint import Checkpoint
from hindi_bn.records.folder import RunFolder
from hindi_bn.records.record import COLUMNS, Record

__all__ = ["COLUMNS", "Checkpoint", "Record", "RunFolder"]
