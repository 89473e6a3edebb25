"""
How hypothesis searches: alike each time in ``make test``, longer and anew in ``make prove``.

``make mutate`` wants to know only whether there is a counterexample, not the smallest one.
"""

from hypothesis import HealthCheck, Phase, settings

#: How fast examples are made tells of the machine, not of the code.
ANY_MACHINE = (HealthCheck.too_slow,)

settings.register_profile(
    "test", derandomize=True, deadline=None, suppress_health_check=ANY_MACHINE
)
settings.register_profile("prove", max_examples=2000, deadline=None)
settings.register_profile(
    "mutate",
    derandomize=True,
    deadline=None,
    max_examples=60,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("test")
