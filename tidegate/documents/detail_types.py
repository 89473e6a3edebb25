"""What commands are called on the bus, for those who name them and do not read them."""

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
