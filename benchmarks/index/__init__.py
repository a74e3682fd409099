"""What searching an index costs, beside Brain's own backend."""
