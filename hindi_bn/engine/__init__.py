"""The article's networks trained by one C program, with the same bits on every processor.

`numerics: engine` asks for it; docs/engine.md says in which order it adds.
"""

from hindi_bn.engine.choice import numerics_of, refuse
from hindi_bn.engine.learner import EngineLearner
from hindi_bn.engine.library import describe

__all__ = ["EngineLearner", "describe", "numerics_of", "refuse"]
