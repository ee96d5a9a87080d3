"""How networks are trained: the loop, its steps, and many replicas at once."""
