"""The ports on AWS; ``session`` makes all clients, and nothing else in a Lambda imports boto3."""
