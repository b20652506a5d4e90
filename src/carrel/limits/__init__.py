"""The gate: who may ask, how often, and for how much."""
