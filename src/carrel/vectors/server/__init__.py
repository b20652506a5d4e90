"""The vector store of a Qdrant server, over gRPC: a collection for all tenants, and tenants' own.

`store` is the adapter. Importing it imports `qdrant_client`, which takes 0.6 s:
import it where a server is configured, not at the top of a module.
"""
