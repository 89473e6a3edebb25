"""The ports on AWS; only ``session`` makes clients, and nothing else that AWS runs imports boto3."""
