"""Tidegate steers AWS IoT Jobs rollouts by the evidence that devices report."""
