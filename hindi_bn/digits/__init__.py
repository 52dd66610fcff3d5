"""The digits: from a source to verified tensors."""

from hindi_bn.digits.dataset import Digits, load
from hindi_bn.digits.sources import fetch, resolve

__all__ = ["Digits", "fetch", "load", "resolve"]
