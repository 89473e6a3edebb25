"""Further settings with which people run AWS IoT Jobs alone."""

from tidegate.domain.settings import ExponentialRate
from tidegate.lab.rules.native import NativeRule, aborting

CONSTANT_5_20 = NativeRule(
    "aws-constant-5-20",
    "AWS, 1000 a minute, abort at 5 % of 20",
    1000,
    criteria=aborting(5.0, 20),
)

SLOW = NativeRule(
    "aws-slow",
    "AWS, 50 a minute, abort at 5 % of 100",
    50,
    criteria=aborting(5.0, 100),
)

EXPONENTIAL_SUCCEEDED = NativeRule(
    "aws-exponential-succeeded",
    "AWS, 10 a minute, x1.5 at each 100 succeeded, abort at 5 % of 20",
    1000,
    exponential=ExponentialRate(10, 1.5, succeeded_things=100),
    criteria=aborting(5.0, 20),
)
