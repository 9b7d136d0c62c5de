"""``tidegate report`` from files: outputs, filters, exit codes, and input that an attacker wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.unit.cli.commands import Ended, run
from tests.verdict_objects import HOSTILE, crowd, hostile, policy, runs, shop, verdict
from tidegate.cli.report import reading

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/report.schema.json").read_text())


def listed(*objects: Any) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def report(*arguments: str, objects: Any = None, text: str = "") -> Ended:
    return run("report", "-f", "-", *arguments, stdin=text or listed(*(shop() if objects is None else objects)))


def as_json(*arguments: str, objects: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report("-o", "json", *arguments, objects=objects).out)
    jsonschema.validate(found, SCHEMA)
    return found


def test_the_answers_come_in_order():
    ended = report()
    assert ended.code == 1
    places = [
        ended.out.index(text)
        for text in (
            "6 workloads would be refused (4 images)",
            "1 workload could not be checked (1 image)",
            "NAMESPACE",
            "REASON",
            "Turned bad while it ran",
            "data/Job/import-2026-11",
            "To fix: ",
        )
    ]
    assert places == sorted(places)


def test_json_is_as_its_schema_says():
    found = as_json()
    assert found["wouldBeRefused"]["workloads"] == 6
    assert [one["name"] for one in found["wouldBeRefused"]["byNamespace"]] == ["shop", "data", "shop-staging", "ops"]
    assert found["turnedBad"][0]["reasons"] == ["VulnerabilitiesFound"]
    assert found["exempt"][0]["exception"] == "legacy-importer-until-friday"
    assert "images" not in found


@pytest.mark.parametrize("objects", [hostile(), crowd(200), shop()[5:6]], ids=["hostile", "crowd", "fine"])
def test_json_of_other_data_is_as_its_schema_says(objects):
    as_json(objects=objects)


def test_the_schema_describes_every_member():
    """A closed schema: one that is forgotten fails here and not in a user's program."""
    found = as_json("shop/checkout")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"more": 1}, SCHEMA)
    for name in SCHEMA["required"]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({key: value for key, value in found.items() if key != name}, SCHEMA)


def test_one_image_from_all_sides():
    ended = report("shop/checkout:v1.14.2")
    for text in (
        "FAIL  123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/checkout@sha256:",
        "signed by:  arn:aws:signer:eu-central-1:123456789012:/signing-profiles/release",
        "policy production (Deny): Fail in shop",
        "CVE-2023-38545 CRITICAL in curl 7.88.1-10, fixed in 7.88.1-10+deb12u4",
        "CVE-2023-45853 CRITICAL in zlib 1.2.13, no fixed version",
        "linux/arm64 sha256:",
        "runs in shop: 12 Pods since ",
    ):
        assert text in ended.out
    assert "shop/web" not in ended.out
    (image,) = as_json("shop/checkout")["images"]
    assert "evidence" not in image["status"]
    assert "exceptions: legacy-importer-until-friday" in report("data/exporter").out


def test_an_image_without_a_verdict_is_unknown():
    ended = report("shop/absent")
    assert ended.code == 2
    assert "no verdict about shop/absent" in ended.err
    assert report("Not/A Reference").code == 2


@pytest.mark.parametrize(
    ("arguments", "workloads", "code"),
    [
        (("--namespace", "shop"), 3, 1),
        (("--namespace", "shop", "--namespace", "ops"), 3, 1),
        (("--policy", "production"), 2, 1),
        (("--reason", "TagMutable"), 1, 1),
        (("--namespace", "ops"), 0, 2),
        (("--namespace", "absent"), 0, 2),
    ],
)
def test_filters_leave_out_the_rest(arguments, workloads, code):
    assert as_json(*arguments)["wouldBeRefused"]["workloads"] == workloads
    assert report(*arguments).code == code


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        (shop()[5:6], 0),
        (shop()[6:7], 0),
        (shop()[4:5], 2),
        (shop()[4:6], 2),
        (shop()[1:2], 1),
        ([*shop()[5:6], {"kind": "ImageVerdict"}], 2),
        ([*shop()[1:2], {"kind": "ImageVerdict"}], 1),
        ([verdict("a/b", 1, policies=[policy("p", ["a"], omittedNamespaces=1)], where=[runs("a", "Job/x")])], 2),
    ],
    ids=["passes", "exempt", "unchecked", "one unchecked", "refused", "not valid", "refused and not valid", "cut"],
)
def test_exit_codes(objects, code):
    for output in ("table", "json", "html"):
        assert report("-o", output, objects=objects).code == code


@pytest.mark.parametrize("by", ["namespace", "reason", "policy", "image"])
def test_the_last_table_is_chosen(by):
    out = report("--by", by).out
    assert by.upper() in out
    assert "To fix:" not in out


@pytest.mark.parametrize("output", ["json", "yaml", "yaml documents", "typed list"])
def test_every_form_of_kubectl_is_read(output):
    whole = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": shop()}
    typed = {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "ImageVerdictList",
        "items": [without_kind(one) for one in shop()],
    }
    text = {
        "json": json.dumps(whole),
        "yaml": yaml.safe_dump(whole),
        "yaml documents": yaml.safe_dump_all(shop()),
        "typed list": json.dumps(typed),
    }[output]
    assert "6 workloads would be refused" in report(text=text).out


def without_kind(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in {"kind", "apiVersion"}}


def test_a_name_of_a_terminal_is_not_obeyed():
    out = report(objects=hostile()).out
    assert not {"\x1b", "\u202e", "\x00"} & set(out)
    assert "[2J" in out


def test_html_of_an_attacker_is_escaped():
    out = report("-o", "html", objects=hostile()).out
    assert "<script" not in out
    assert "<img" not in out
    assert out.count("<h1>") == 1
    assert "&lt;script&gt;" in out
    for text in HOSTILE:
        if any(each in text for each in "<>\"'"):
            assert text not in out


BAD = {
    "empty": "",
    "another kind": json.dumps({"kind": "Pod"}),
    "no items": listed(),
    "a number": "7",
    "a text": "hello",
    "broken JSON": '{"kind": "List", "items": [',
    "broken YAML": "kind: [",
    "deep JSON": '{"kind":"List","items":' + "[" * 100_000,
    "deep YAML": "a: " + "[" * 5_000 + "]" * 5_000,
    "an item that is no object": listed("text"),
    "not UTF-8": "kind: \udcff",
    "a tag of Python": "!!python/object/apply:os.system [id]",
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "&a [*a]",
    "nested lists": "x",
}
nested: Any = {"kind": "Pod"}
for _ in range(60):
    nested = {"kind": "List", "items": [nested]}
BAD["nested lists"] = json.dumps(nested)


@pytest.mark.parametrize("name", BAD)
def test_input_that_is_not_of_kubectl_is_an_error(name, tmp_path):
    file = tmp_path / "verdicts"
    file.write_text(BAD[name], encoding="utf-8", errors="surrogateescape")
    ended = run("report", "-f", str(file))
    assert ended.code == 2
    assert ended.err.startswith("tidegate: ")
    assert len(ended.err) < 2_000


def test_aliases_that_repeat_more_than_the_file_holds_are_an_error():
    """Each alias is short and stands for all that it repeats; kubectl writes none."""
    assert "aliases that repeat more than the file holds" in report(text=BAD["aliases"]).err
    few = "kind: List\nitems:\n" + "".join(f"- {json.dumps(one)}\n" for one in shop())
    assert "6 workloads would be refused" in report(text=few.replace("items", "note: &a x\nother: *a\nitems")).out


def test_a_file_beyond_the_limit_is_an_error(tmp_path, monkeypatch):
    text = listed(*shop())
    file = tmp_path / "verdicts.json"
    file.write_text(text)
    monkeypatch.setattr(reading, "MAX_INPUT_BYTES", len(text.encode()))
    assert run("report", "-f", str(file)).code == 1
    monkeypatch.setattr(reading, "MAX_INPUT_BYTES", len(text.encode()) - 1)
    ended = run("report", "-f", str(file))
    assert (ended.code, ended.err) == (2, f"tidegate: {file} is larger than {len(text.encode()) - 1} bytes\n")


def test_too_many_objects_are_an_error(monkeypatch):
    monkeypatch.setattr(reading, "MAX_OBJECTS", 6)
    assert "more than 6 objects" in report().err
    monkeypatch.setattr(reading, "MAX_OBJECTS", 7)
    assert report().code == 1


def test_an_object_that_is_not_valid_is_named():
    ended = report(objects=[*shop(), {"kind": "ImageVerdict", "metadata": {"name": "edited\x1bby-hand"}}])
    assert "not valid, left out: edited?by-hand: " in ended.out
    assert as_json(objects=[*shop(), {"kind": "ImageVerdict"}])["unreadable"][0]["name"] == "an object without a name"


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    file = tmp_path / "verdicts.json"
    file.write_text("")
    file.chmod(0)
    link = tmp_path / "link"
    link.symlink_to(link)
    for path in (link, tmp_path):
        assert run("report", "-f", str(path)).code == 2


def test_what_is_cut_is_said():
    one = shop()[0]
    one["status"]["runs"] |= {"omittedNamespaces": 3}
    one["status"] |= {"omittedFindings": 7}
    out = report("shop/checkout", objects=[one]).out
    assert "and in 3 more namespaces" in out
    assert "and 7 more findings" in out
    assert "incomplete verdicts: 1, too large to list every" in out


def test_an_image_that_stopped_running_says_since_when():
    one = verdict("a/b", 1, policies=[policy("p", [])])
    one["status"]["runs"] |= {"lastSeen": "2026-11-28T09:00:00Z"}
    assert "has not run since 2026-11-28T09:00:00Z" in report("a/b", objects=[one]).out


def test_a_namespace_where_the_image_has_just_ended_has_no_pods():
    one = verdict("a/b", 1, policies=[policy("p", [])])
    one["status"]["runs"]["namespaces"] = [{"name": "bank", "pods": 0, "since": "2026-11-28T09:00:00Z"}]
    shown = report("a/b", objects=[one]).out
    assert "ended in bank less than five minutes ago" in shown
    assert "runs in bank" not in shown


def test_without_a_cluster_the_error_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    ended = run("report")
    assert ended.code == 2
    assert "set KUBECONFIG" in ended.err
