"""From settings to what services stand on: each function opens one thing.

What is opened on a stack is closed by it, in reverse.
"""
