"""A device that takes jobs from AWS IoT: a starting point to copy for a real one."""
