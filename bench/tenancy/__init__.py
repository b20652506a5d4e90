"""The price of tenant isolation: one corpus, the same queries, four ways of keeping tenants apart."""
