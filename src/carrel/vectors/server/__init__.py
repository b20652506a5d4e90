"""The vector store of a Qdrant server: one collection, shared by all tenants, over gRPC.

`store` is the adapter. Importing it imports `qdrant_client`, which takes 0.6 s:
import it where a server is configured, not at the top of a module.
"""
