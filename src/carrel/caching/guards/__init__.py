"""Whether two questions ask the same: a white list of what may differ between them."""
