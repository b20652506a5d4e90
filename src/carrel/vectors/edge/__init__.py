"""The embedded vector store: Qdrant's engine in a process of its own, on a Unix socket.

`store` is the adapter, `wire` what it says to the process, `engine` the process.
"""
