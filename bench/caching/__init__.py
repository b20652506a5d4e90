"""Benches of the caches."""
