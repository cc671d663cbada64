"""How the embedded pair `tiny` was trained: a runnable recipe, one module a step (see README.md)."""
