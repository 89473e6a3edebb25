"""The lab: fleets, a model of AWS IoT Jobs in virtual time, and rules that meet them."""
