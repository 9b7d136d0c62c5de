"""The error of a look-up that gave no answer."""

from tidegate.errors import Error, UndeterminedError
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError


def test_it_leaves_a_missing_fact_with_its_cause_and_source_but_not_the_operators_text():
    error = SourceUnavailableError(Cause.THROTTLED, "ecr:DescribeImages", "arn:aws:sts::1:assumed-role/x")
    assert error.missing() == Missing(Cause.THROTTLED, "ecr:DescribeImages")


def test_it_is_written_with_everything_for_the_operator():
    error = SourceUnavailableError(Cause.ACCESS_DENIED, "ecr:DescribeImages", "request r-1")
    assert str(error) == "ecr:DescribeImages: AccessDenied: request r-1"
    assert str(SourceUnavailableError(Cause.INTERNAL, "x")) == "x: InternalError"


def test_not_knowing_is_told_from_a_region_that_cannot_be():
    assert issubclass(SourceUnavailableError, UndeterminedError)
    assert issubclass(UnknownRegionError, Error)
    assert not issubclass(UnknownRegionError, UndeterminedError)
