"""The price of tenant isolation: the same chunks and queries, four ways to keep tenants apart."""
