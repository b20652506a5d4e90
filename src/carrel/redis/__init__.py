"""The one way to Redis: state that the replicas share."""
