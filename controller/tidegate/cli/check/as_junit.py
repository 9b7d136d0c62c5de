"""The state of each image as JUnit XML: a suite for each file, a test case for each image.

A case fails or has an error exactly where the image changes the exit code: a refusal is a failure, and an image that could
not be checked or was not judged is an error. With ``--allow-not-judged``, an image that was not judged is skipped. A
failure that only warns or is audited is in the output of a case that passed.
"""

from collections.abc import Sequence

from tidegate.cli.check.outcome import EXIT_ALLOWED, EXIT_REFUSED, CheckedImage, ImageState
from tidegate.reports.junit import JunitCase, junit_xml


def check_junit(rows: Sequence[CheckedImage], *, strict: bool, allow_not_judged: bool) -> str:
    """Return the document as text."""
    cases = (_case(row, row.exit_code(strict=strict, allow_not_judged=allow_not_judged)) for row in rows)
    return junit_xml("tidegate check", cases)


def _case(row: CheckedImage, code: int) -> JunitCase:
    image, words = row.image, row.state.words
    suite = {"name": image.file or "arguments"}
    case = {"classname": image.place, "name": image.text or "(no image)"}
    case |= {"file": image.path, "line": str(image.line)} if image.path else {}
    if row.state is ImageState.ALLOWED:
        return JunitCase(suite=suite, case=case)
    message = {"message": f"{words}: {row.why[0].strip()}"}
    if code != EXIT_ALLOWED:
        return JunitCase(
            suite=suite,
            case=case,
            outcome="failure" if code == EXIT_REFUSED else "error",
            about={"type": row.state.value, **message},
            lines=row.why,
        )
    if row.state is ImageState.NOT_JUDGED:
        return JunitCase(suite=suite, case=case, outcome="skipped", about=message)
    return JunitCase(suite=suite, case=case, outcome="system-out", lines=(words.upper(), *row.why))
