"""JUnit XML: cases are grouped by suite and counted, and text from outside commands nothing."""

from xml.etree import ElementTree as ET

from tidegate.reports.junit import JunitCase, junit_xml

CASES = (
    JunitCase(suite={"name": "a"}, case={"name": "1"}),
    JunitCase(suite={"name": "b"}, case={"name": "2"}, outcome="failure", about={"message": "m"}, lines=("x", "y")),
    JunitCase(suite={"name": "a"}, case={"name": "3"}, outcome="error"),
    JunitCase(suite={"name": "a"}, case={"name": "4"}, outcome="skipped"),
    JunitCase(suite={"name": "a"}, case={"name": "5"}, outcome="system-out", lines=("x",)),
)


def counts(element: ET.Element) -> tuple[str | None, ...]:
    return tuple(map(element.get, ("tests", "failures", "errors", "skipped")))


def test_cases_are_grouped_and_counted() -> None:
    root = ET.fromstring(junit_xml("tidegate check", CASES))
    assert (root.get("name"), counts(root)) == ("tidegate check", ("5", "1", "1", "1"))
    assert [(one.get("name"), counts(one)) for one in root] == [
        ("a", ("4", "0", "1", "1")),
        ("b", ("1", "1", "0", "0")),
    ]
    (failure,) = root.iter("failure")
    assert (failure.get("message"), failure.text) == ("m", "x\ny")


def test_text_is_printable_and_commands_nothing() -> None:
    one = JunitCase(suite={"name": "\x1b"}, case={"name": "##[x]"}, outcome="error", lines=("\x00", "##vso[x]"))
    text = junit_xml("t", [one])
    assert "##" not in text
    root = ET.fromstring(text)
    assert [one.get("name") for one in root.iter()] == ["t", "?", "##[x]", None]
    assert [one.text for one in root.iter("error")] == ["?\n##vso[x]"]


def test_no_case_is_a_document_too() -> None:
    assert counts(ET.fromstring(junit_xml("t", []))) == ("0", "0", "0", "0")
