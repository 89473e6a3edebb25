"""Laws of a job's settings."""

from botocore.session import Session
from botocore.validate import validate_parameters
from hypothesis import given

from tests.property.strategies import job_settings, standing_settings
from tidegate.domain.settings import JobSettings, RetryCriterion, refusals

UPDATE_JOB = Session().get_service_model("iot").operation_model("UpdateJob").input_shape


@given(standing_settings)
def test_settings_survive_the_way_to_aws_and_back(settings: JobSettings) -> None:
    """What is sent is read back as the very settings that were meant."""
    assert JobSettings.from_description(settings.to_request()) == settings


@given(job_settings)
def test_sound_settings_make_sound_requests(settings: JobSettings) -> None:
    """What passes here is in the shape that AWS describes for UpdateJob."""
    assert UPDATE_JOB
    request = {"jobId": "firmware-7", **settings.to_request()}

    assert refusals(settings, standing=settings) == ()
    validate_parameters(request, UPDATE_JOB)
    assert request.keys() <= UPDATE_JOB.members.keys()


@given(standing_settings, job_settings)
def test_changes_are_the_differences_and_nothing_else(
    standing: JobSettings, desired: JobSettings
) -> None:
    """What is sent differs from what stands, is wanted, and leaves no wish open."""
    changes = standing.changes_to(desired)
    wanted = desired.to_request()
    if "presignedUrlConfig" in wanted:
        # A wish may leave a member of it open, which then stays as it stands.
        before = standing.to_request().get("presignedUrlConfig", {})
        wanted["presignedUrlConfig"] = {**before, **wanted["presignedUrlConfig"]}

    for name, value in changes.to_request().items():
        assert standing.to_request().get(name) != value
        assert wanted[name] == value
    in_force = JobSettings.from_description({**standing.to_request(), **changes.to_request()})
    assert not in_force.changes_to(desired)
    assert bool(changes) == bool(changes.to_request())


@given(standing_settings)
def test_retries_can_only_be_lowered_to_0(standing: JobSettings) -> None:
    """Exactly the job's own failure types, all at 0, is what AWS takes."""
    lowered = tuple(RetryCriterion(each.failure_type, 0) for each in standing.retries or ())

    assert refusals(JobSettings(retries=lowered or None), standing) == ()
    assert bool(refusals(JobSettings(retries=standing.retries), standing)) == any(
        each.number_of_retries for each in standing.retries or ()
    )
