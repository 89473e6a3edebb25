"""What can go wrong with the embedded cloud, as its callers see it."""


class LocalCloudError(Exception):
    """
    The embedded cloud, a deployment into it, or its fleet of devices failed.

    The message says what happened and what to do about it; it is meant to be shown as it is.
    """
