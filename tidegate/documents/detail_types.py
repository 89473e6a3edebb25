"""What commands and reports are called on the bus, for those who name and do not read them."""

OPERATOR_SOURCE = "tidegate.operator"

LAUNCH_ROLLOUT = "Launch Rollout"
ENROLL_JOB = "Enroll Job"
HOLD_ROLLOUT = "Hold Rollout"
RESUME_ROLLOUT = "Resume Rollout"
ABORT_ROLLOUT = "Abort Rollout"
APPROVE_GATE = "Approve Gate"
REJECT_GATE = "Reject Gate"
APPROVE_DECISION = "Approve Decision"
REJECT_DECISION = "Reject Decision"
ADJUST_POLICY = "Adjust Policy"
RELEASE_COHORT = "Release Cohort"

#: What those send who report for devices, under this source or one of their own.
DEVICE_SOURCE = "tidegate.device"
DEVICE_EXECUTION_REPORT = "Device Execution Report"
