"""Results as JUnit XML, for CI systems: test suites, their test cases, and the number of each outcome."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from xml.etree import ElementTree as ET

from tidegate.strict.quotation import printable

_COUNTED: Final = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JunitCase:
    """A test case: the attributes of its suite, its own, and the element that says how it ended.

    ``about`` are the attributes of this element, and ``lines`` its text. A case with no element passed, and has no output.
    """

    suite: Mapping[str, str]
    case: Mapping[str, str]
    outcome: Literal["", "failure", "error", "skipped", "system-out"] = ""
    about: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[str] = ()


def junit_xml(name: str, cases: Iterable[JunitCase]) -> str:
    """Return the document as text in which no CI service finds a command; see ``log_line``."""
    root = ET.Element("testsuites", name=name)
    suites: dict[tuple[str, ...], ET.Element] = {}
    for one in cases:
        suite = suites.setdefault(tuple(one.suite.values()), ET.Element("testsuite", _printable(one.suite)))
        element = ET.SubElement(suite, "testcase", _printable(one.case))
        if one.outcome:
            ET.SubElement(element, one.outcome, _printable(one.about)).text = "\n".join(map(printable, one.lines))
    root.extend(suites.values())
    for element in (root, *suites.values()):
        element.attrib |= {count: str(sum(1 for _ in element.iter(tag))) for count, tag in _COUNTED.items()}
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True).replace("##", "#&#35;")


def _printable(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: printable(text) for name, text in attributes.items()}
