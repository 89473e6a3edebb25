"""What people type: the command ``tidegate`` and what belongs to it."""
