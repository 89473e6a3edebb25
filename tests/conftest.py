"""How hypothesis searches: alike each time in ``make test``, longer and anew in ``make prove``."""

from hypothesis import settings

settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile("prove", max_examples=2000, deadline=None)
settings.load_profile("test")
