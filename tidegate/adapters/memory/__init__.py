"""The ports in memory, as strict as AWS: for tests, the lab and whoever wants to look inside."""
