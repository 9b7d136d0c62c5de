"""What came of each image as JUnit XML: a suite for each file, a test case for each image.

A case fails or has an error exactly where the image changes the exit code: a refusal is a failure, what could not be
checked or was not judged an error. Without an effect on the exit code, what was not judged is skipped, and a failure that
only warns or is audited is in the output of a case that passed.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from tidegate.cli.check.outcome import EXIT_ALLOWED, EXIT_REFUSED, CheckedImage, ImageState
from tidegate.strict.quotation import printable

_NAME: Final = "tidegate check"


def junit_xml(rows: Sequence[CheckedImage], *, strict: bool, allow_not_judged: bool) -> str:
    """Return the document as text."""
    suites: dict[str, list[ET.Element]] = {}
    for row in rows:
        code = row.exit_code(strict=strict, allow_not_judged=allow_not_judged)
        suites.setdefault(row.image.file or "arguments", []).append(_case(row, code))
    every = [case for cases in suites.values() for case in cases]
    root = ET.Element("testsuites", {"name": _NAME, **_counts(every)})
    for name, cases in suites.items():
        suite = ET.SubElement(root, "testsuite", {"name": printable(name), **_counts(cases)})
        suite.extend(cases)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _counts(cases: Sequence[ET.Element]) -> Mapping[str, str]:
    tags = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counted = {name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in tags.items()}
    return {"tests": str(len(cases)), **counted}


def _case(row: CheckedImage, code: int) -> ET.Element:
    image = row.image
    case = ET.Element("testcase", {"classname": printable(image.place), "name": printable(image.text or "(no image)")})
    if image.path:
        case.attrib |= {"file": printable(image.path), "line": str(image.line)}
    if row.state is ImageState.ALLOWED:
        return case
    text = "\n".join(map(printable, row.why))
    about = {"type": row.state.value, "message": f"{row.state.words}: {printable(row.why[0].strip())}"}
    if code != EXIT_ALLOWED:
        ET.SubElement(case, "failure" if code == EXIT_REFUSED else "error", about).text = text
    elif row.state is ImageState.NOT_JUDGED:
        ET.SubElement(case, "skipped", {"message": about["message"]})
    else:
        ET.SubElement(case, "system-out").text = f"{row.state.words.upper()}\n{text}"
    return case
