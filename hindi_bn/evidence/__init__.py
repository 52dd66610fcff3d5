"""Runs that count anywhere: a row per run, in shards that are only ever added."""
