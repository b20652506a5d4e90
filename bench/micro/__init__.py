"""Measurements of one server on one machine, each over real processes and HTTP."""
