"""Answers and passages that were found before, served only while they are still what is so."""
