"""What people look at: rollouts as views, pictures and pages, for terminal, browser and console."""
