"""The infrastructure: one construct per capability; the stack only composes."""
