"""Generations: each a log of events with one leader and any number of followers."""
