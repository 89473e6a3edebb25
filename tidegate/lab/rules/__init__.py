"""
Rules that people use today, by the names under which the lab offers them.

Each is its product's own rule with its own defaults; where a product leaves a choice open, the
example of its documentation is taken. Each docstring gives the rule, its source, and what a
measurement, a group or a control is in a fleet of devices. All figures are arguments, so
``dataclasses.replace`` makes a variant.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tidegate.lab.rule import Rule
from tidegate.lab.rules.aimd import Aimd
from tidegate.lab.rules.alarm import AlarmCancel
from tidegate.lab.rules.argo import ARGO_0, ARGO_3
from tidegate.lab.rules.arrival import BAYES_ARRIVAL, SPRT_ARRIVAL
from tidegate.lab.rules.flagger import FLAGGER_1, FLAGGER_5
from tidegate.lab.rules.flightctl import FlightctlBatches
from tidegate.lab.rules.floor import InformationFloor
from tidegate.lab.rules.gandalf import GandalfLite
from tidegate.lab.rules.hawkbit import HAWKBIT_CANARY, HAWKBIT_GROUPS
from tidegate.lab.rules.kayenta import Kayenta
from tidegate.lab.rules.mender import MenderPhases
from tidegate.lab.rules.msprt import Msprt
from tidegate.lab.rules.native import CONSTANT, CONSTANT_ABORTING, EXPONENTIAL
from tidegate.lab.rules.native_variants import CONSTANT_5_20, EXPONENTIAL_SUCCEEDED, SLOW
from tidegate.lab.rules.nodewright import NODEWRIGHT_EXPONENTIAL, NODEWRIGHT_LINEAR
from tidegate.lab.rules.rings import Rings
from tidegate.lab.rules.shifting import APPCONFIG_LINEAR, CODEDEPLOY_CANARY

_ALL: tuple[Rule, ...] = (
    CONSTANT,
    CONSTANT_ABORTING,
    CONSTANT_5_20,
    SLOW,
    EXPONENTIAL,
    EXPONENTIAL_SUCCEEDED,
    AlarmCancel(),
    HAWKBIT_GROUPS,
    HAWKBIT_CANARY,
    MenderPhases(),
    FlightctlBatches(),
    NODEWRIGHT_LINEAR,
    NODEWRIGHT_EXPONENTIAL,
    ARGO_0,
    ARGO_3,
    FLAGGER_1,
    FLAGGER_5,
    Kayenta(),
    APPCONFIG_LINEAR,
    CODEDEPLOY_CANARY,
    GandalfLite(),
    Msprt(),
    Rings(),
    Aimd(),
    SPRT_ARRIVAL,
    BAYES_ARRIVAL,
    InformationFloor(),
)

#: Every rule by its name, AWS's own first.
RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _ALL})
