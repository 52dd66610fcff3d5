"""The Python API: a file per subject. `hindi_bn` itself offers its functions by name."""
