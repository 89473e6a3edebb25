"""What can go wrong while a template is written."""


class SynthesisError(SystemExit):
    """
    Something that only the person at the keyboard can put right.

    The message names the object, what is wrong with it, and what to do. Left alone, the error ends
    the process with just that message. It passes through the CDK's callbacks as it is, where any
    ordinary exception comes out wrapped in JavaScript's.
    """
