"""The ports on AWS; nothing else in Tidegate imports boto3, and only ``session`` makes clients."""
