"""Carrel: a self-hosted RAG server for products that serve many customers."""

__version__ = "0.1.0"
