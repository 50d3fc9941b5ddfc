"""Quantised networks to compare machines on: drawn at random or after MLPerf Tiny."""
