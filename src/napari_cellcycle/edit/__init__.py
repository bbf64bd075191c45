"""Corrections: what a person can do to masks, lineages and stages, and how it is taken back."""
