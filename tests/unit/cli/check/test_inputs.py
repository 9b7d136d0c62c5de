"""What ``check`` reads is known by content or name; what is not judged is said, and nothing is left out in silence."""

import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.check.inputs import Inputs, ReadInputs, read_inputs

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: a\n    image: a:1\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
COMPOSE = "services:\n  web:\n    image: b:1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, content: str | bytes = POD) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(*files: str | Path, **more: Any) -> ReadInputs:
    return read_inputs(Inputs(files=[Path(one) for one in files], **more), namespace="default", image_paths={})


def judged(found: ReadInputs) -> list[tuple[str | None, str, int]]:
    assert not any(one.not_judged for one in found.images)
    return [(one.text, one.file, one.line) for one in found.images]


def why(found: ReadInputs) -> str:
    (one,) = found.images
    assert one.not_judged
    return f"{one.file}:{one.line}: {one.not_judged}"


# Files


def test_each_image_has_its_file_and_line(folder: Path):
    put("m.yaml", f"# a\n{POD}---\n{SERVICE}---\n{POD}")
    found = read("m.yaml")
    assert judged(found) == [("a:1", "m.yaml", 8), ("a:1", "m.yaml", 20)]
    assert found.skipped == {"Service": 1}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"apiVersion": "v1", "kind": "Pod",\n "spec": {"containers": [\n  {"image": "a:1"}]}}', [3]),
        (
            "kind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n    - name: x\n      image: a:1\n",
            [8],
        ),
        (f"x: &x\n  - image: a:1\n{SERVICE.replace('Service', 'Pod')}spec:\n  containers: *x\n", [2]),
        (f"x: &x\n  containers:\n  - image: a:1\n{SERVICE.replace('Service', 'Pod')}spec:\n  <<: *x\n", [3]),
        (POD.replace("image: a:1", "image:\n      a:1"), [8]),
        (POD.replace("    image: a:1\n", ""), [6]),
    ],
    ids=["JSON", "a list", "an alias", "a merged mapping", "a value on its own line", "a container without an image"],
)
def test_the_line_is_that_of_the_value(folder: Path, text: str, lines: list[int]):
    assert [one.line for one in read(put("m.yaml", text)).images] == lines


def test_a_key_with_dots_has_its_line(folder: Path):
    text = "apiVersion: example.com/v1\nkind: Thing\nspec:\n  a.b:\n    c: 1\n    image: a:1\n"
    found = read_inputs(
        Inputs(files=[put("m.yaml", text)]), namespace="d", image_paths={"Thing.example.com": ["spec.*.image"]}
    )
    assert judged(found) == [("a:1", "m.yaml", 6)]


EMPTY_FIX = ". To fix: check the path, and the command that writes the input"


def test_standard_input_is_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch):
    Path("-").mkdir()
    with Path(os.devnull).open() as empty:
        monkeypatch.setattr("sys.stdin", empty)
        (one,) = read("-").images
    assert (one.file, one.path, one.not_judged) == (
        "standard input",
        "",
        f"there is no object in standard input{EMPTY_FIX}",
    )


EMPTY = {
    "nothing": "",
    "only comments": "# a\n# b\n",
    "only separators": "---\n---\n",
    "null": "null\n",
    "a list": "kind: List\n",
}


@pytest.mark.parametrize("case", EMPTY)
def test_an_input_without_objects_is_not_judged(folder: Path, case: str):
    """The command that should have written it may have failed, while other inputs are good."""
    found = read(put("a.yaml"), put("b.yaml", EMPTY[case]))
    assert [one.not_judged for one in found.images] == ["", f"there is no object in b.yaml{EMPTY_FIX}"]


def test_an_input_with_other_objects_only_is_fine(folder: Path):
    assert judged(read(put("a.yaml", SERVICE))) == []


ERRORS: dict[str, tuple[str | bytes, str]] = {
    "a template": ("kind: Pod\nnamespace: {{ .Release.Namespace }}\n", "it looks like a template, so render it first"),
    "no YAML": ("kind: [", "m.yaml is not YAML"),
    "a date that is none": ("kind: Pod\nx: 2026-99-99\n", "m.yaml is not YAML"),
    "binary": (b"\x00\x01\x02", "m.yaml is not YAML"),
    "no UTF-8": (b"\xff\xfe\x00", "m.yaml cannot be read"),
    "the same key twice": (POD + POD, "m.yaml is not YAML: while reading a mapping"),
    "a text": ("x", "m.yaml:1: expected Kubernetes objects with a kind, got str"),
    "no kind": ("\na: 1", "m.yaml:2: expected Kubernetes objects with a kind, got dict"),
    "a kind that is no text": ("kind: 5", "expected Kubernetes objects with a kind"),
    "a List of no list": ("kind: List\nitems: {a: 1}\n", "m.yaml:1: items of a List: expected a list, got dict"),
    "no containers": ("apiVersion: v1\nkind: Pod\nspec: {containers: null}", "a Pod without containers"),
    "another document after objects": (f"{POD}---\nservices: {{}}\n", "m.yaml:9: expected Kubernetes objects"),
}


ONLY_NAMED = {"a text", "no kind"}
"""In a folder, a file of another content is not judged."""


@pytest.mark.parametrize(
    ("case", "in_folder"),
    [*((one, False) for one in ERRORS), *((one, True) for one in ERRORS if one not in ONLY_NAMED)],
)
def test_a_file_that_cannot_be_read_is_an_error(folder: Path, case: str, in_folder: bool):
    content, words = ERRORS[case]
    put("k/m.yaml", content)
    put("k/good.yaml")
    with pytest.raises(ArgumentError) as problem:
        read("k" if in_folder else "k/m.yaml")
    assert words in str(problem.value).replace("k/m.yaml", "m.yaml")
    assert ("leave them out with --exclude" in str(problem.value)) is in_folder


def test_a_missing_separator_between_objects_is_named(folder: Path):
    with pytest.raises(ArgumentError, match="found the key 'apiVersion' twice; is the line --- between two objects"):
        read(put("m.yaml", POD + POD))


def test_merged_keys_are_no_duplicates(folder: Path):
    text = f"x: &x {{name: b}}\ny: &y {{image: b:1}}\n{POD.replace('- name: a', '- <<: *x').replace('image: a:1', '<<: *y')}"
    assert judged(read(put("m.yaml", text))) == [("b:1", "m.yaml", 2)]


# Folders


def test_a_folder_is_read_with_its_subfolders(folder: Path):
    for name in ("k/b.yml", "k/a.yaml", "k/sub/deep/c.JSON", "k/.hidden.yaml"):
        put(name)
    for name in ("k/readme.md", "k/Dockerfile", "k/script.sh"):
        put(name, "FROM x")
    found = read("k")
    assert [one.file for one in found.images] == ["k/.hidden.yaml", "k/a.yaml", "k/b.yml", "k/sub/deep/c.JSON"]
    assert judged(found)[0] == ("a:1", "k/.hidden.yaml", 7)
    assert not found.notes


def test_hidden_folders_are_named(folder: Path):
    put("k/a.yaml")
    put("k/.github/b.yaml")
    found = read("k")
    assert len(judged(found)) == 1
    assert found.notes == ["hidden folders that were not read: k/.github"]


def test_a_hidden_folder_that_is_named_is_read(folder: Path):
    put(".k/a.yaml")
    assert len(judged(read(".k"))) == 1


@pytest.mark.parametrize("content", ["a: 1\n", "- 1\n", "x\n"])
def test_another_content_in_a_folder_is_not_judged(folder: Path, content: str):
    put("k/a.yaml")
    put("k/values.yaml", content)
    good, other = read("k").images
    assert (good.not_judged, other.file, other.text) == ("", "k/values.yaml", None)
    assert "neither a Kubernetes object nor a Compose file. To fix: leave it out with --exclude" in other.not_judged


@pytest.mark.parametrize("pattern", ["values.yaml", "sub/values.yaml", "sub", "s*", "*/values.yaml"])
def test_what_is_excluded_is_counted(folder: Path, pattern: str):
    put("k/a.yaml")
    put("k/sub/values.yaml", "a: 1\n")
    found = read("k", exclude=[pattern])
    assert len(judged(found)) == 1
    assert found.notes == ["files and folders left out by --exclude: 1"]


@pytest.mark.parametrize("case", ["nothing", "only a text", "only comments"])
def test_a_folder_without_objects_is_not_judged(folder: Path, case: str):
    put("k/a.yaml" if case == "only comments" else "k/a.txt" if case == "only a text" else "k/.keep", "# a\n")
    assert why(read("k")) == f"k:1: there is no object in k{EMPTY_FIX}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Chart.yaml", "k/sub/Chart.yaml:1: the folder is a Helm chart. To fix: run helm template k/sub |"),
        ("kustomization.yaml", "run kubectl kustomize k/sub |"),
        ("kustomization.yml", "run kubectl kustomize k/sub |"),
        ("Kustomization", "run kubectl kustomize k/sub |"),
    ],
)
def test_a_folder_that_has_to_be_rendered_is_not_judged(folder: Path, name: str, words: str):
    """Its files are not what runs: a kustomization changes their images."""
    put("k/sub/templates/a.yaml", "kind: {{ .Values.kind }}")
    put(f"k/sub/{name}", "a: 1")
    assert words in why(read("k"))


def test_links_are_not_followed(folder: Path):
    put("k/a.yaml")
    put("other/b.yaml")
    Path("k/b.yaml").symlink_to(Path("other/b.yaml").absolute())
    Path("k/sub").symlink_to(Path("other").absolute())
    Path("k/text").symlink_to(Path("other/b.yaml").absolute())
    found = {one.file: one.not_judged for one in read("k").images}
    assert found.pop("k/a.yaml") == ""
    assert set(found) == {"k/b.yaml", "k/sub"}
    assert all("does not follow links" in text for text in found.values())


def test_a_pipe_in_a_folder_is_not_read(folder: Path):
    put("k/a.yaml")
    os.mkfifo("k/b.yaml")
    assert [bool(one.not_judged) for one in sorted(read("k").images, key=lambda one: one.file)] == [False, True]


def test_an_unreadable_file_in_a_folder_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch):
    put("k/a.yaml")
    monkeypatch.setattr(
        "tidegate.cli.argument_files.os.fdopen", Mock(side_effect=PermissionError(13, "Permission denied"))
    )
    with pytest.raises(ArgumentError, match=r"k/a\.yaml: cannot be read: permission denied"):
        read("k")


def test_all_invalid_files_of_a_folder_are_listed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tidegate.cli.check.inputs.MAX_PROBLEMS", 2)
    for number in range(4):
        put(f"k/{number}.yaml", "kind: [")
    with pytest.raises(ArgumentError) as problem:
        read("k")
    text = str(problem.value)
    assert ["k/0.yaml" in text, "k/1.yaml" in text, "k/2.yaml" in text, "\nand 2 more\n" in text] == [
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 1), ("MAX_FOLDERS", 2), ("MAX_LEVELS", 2)])
def test_a_folder_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int):
    put("k/a.yaml")
    put("k/sub/deep/b.yaml")
    assert len(judged(read("k"))) == 2
    monkeypatch.setattr(f"tidegate.cli.check.folder.{limit}", value)
    with pytest.raises(ArgumentError, match="To fix: name its subfolders"):
        read("k")


def test_the_bytes_of_a_folder_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch):
    put("k/a.yaml")
    put("k/b.yaml")
    monkeypatch.setattr("tidegate.cli.check.inputs.MAX_FOLDER_BYTES", 2 * len(POD))
    assert len(judged(read("k"))) == 2
    monkeypatch.setattr("tidegate.cli.check.inputs.MAX_FOLDER_BYTES", 2 * len(POD) - 1)
    with pytest.raises(ArgumentError, match=r"bytes\. To fix"):
        read("k")
    monkeypatch.setattr("tidegate.cli.check.inputs.MAX_FOLDER_BYTES", 2 * len(POD))
    monkeypatch.setattr("tidegate.cli.check.inputs.MAX_FILE_BYTES", len(POD) - 1)
    with pytest.raises(ArgumentError, match=r"k/a\.yaml is larger than"):
        read("k")


# Compose files and Dockerfiles


def test_a_compose_file_is_known_by_its_content(folder: Path):
    put("k/any.yaml", COMPOSE)
    for found in (read("k/any.yaml"), read("k"), read(compose=[Path("k/any.yaml")])):
        assert judged(found) == [("b:1", "k/any.yaml", 3)]
        assert found.images[0].place == "Compose services.web.image"


def test_an_object_with_services_is_no_compose_file(folder: Path):
    put("m.yaml", f"apiVersion: example.com/v1\nkind: Thing\n{COMPOSE}")
    assert "does not know this field of a Thing.example.com" in why(read("m.yaml"))


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("{build: .}", "m.yaml:2: the service has no image, because it is built from a Dockerfile"),
        ("{extends: {service: b}}", "m.yaml:2: the service extends another one. To fix: run docker compose config |"),
        ("{}", "m.yaml:2: the service has no image"),
        ("{image: }", "the service has no image"),
        ("{image: 5}", "the service has no image"),
        ("{image: '${TAG}'}", "the reference has a variable. To fix: run docker compose config |"),
        ("{image: 'a:$TAG'}", "the reference has a variable"),
        ("{image: 'a:$$$TAG'}", "the reference has a variable"),
    ],
)
def test_a_service_without_a_plain_image_is_not_judged(folder: Path, service: str, words: str):
    assert words in why(read(put("m.yaml", f"services:\n  web: {service}\n")))


def test_the_image_of_a_service_that_is_built_is_judged(folder: Path):
    found = read(put("m.yaml", "services:\n  web: {build: ., image: b:1}\n  api: {image: 'b:$$x'}\n"))
    assert [one.text for one in found.images] == ["b:1", "b:$x"]


def test_an_image_that_a_service_mounts_is_judged(folder: Path):
    volumes = (
        "[a:/b, {type: bind, source: ./x}, {type: image, source: 'c:1'}, {type: image, source: 'c:$T'}, {type: image}]"
    )
    found = read(put("m.yaml", f"services:\n  web:\n    image: b:1\n    volumes: {volumes}\n"))
    assert [(one.text, bool(one.not_judged)) for one in found.images] == [
        ("b:1", False),
        ("c:1", False),
        ("c:$T", True),
        (None, True),
    ]
    assert found.images[1].place == "Compose services.web.volumes[2].source"


def test_included_compose_files_are_not_judged(folder: Path):
    good, included = sorted(read(put("m.yaml", COMPOSE + "include: [a.yaml]\n")).images, key=lambda one: one.not_judged)
    assert (good.text, "does not read the services of included files" in included.not_judged) == ("b:1", True)


@pytest.mark.parametrize("text", ["services: {web: 5}\n", "services:\n  web:\n"])
def test_a_service_that_is_none_is_an_error(folder: Path, text: str):
    with pytest.raises(ArgumentError, match=r"services\.web: expected a service, got"):
        read(put("m.yaml", text))


@pytest.mark.parametrize("text", ["a: 1\n", "services: [a]\n", "- a\n"])
def test_what_is_named_as_compose_file_must_be_one(folder: Path, text: str):
    with pytest.raises(ArgumentError, match="expected a Compose file with services by name"):
        read(compose=[put("m.yaml", text)])


def test_services_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tidegate.cli.check.compose.MAX_LISTED", 1)
    file = put("m.yaml", COMPOSE)
    assert len(judged(read(file))) == 1
    with pytest.raises(ArgumentError, match="more than 1 services"):
        read(put("m.yaml", COMPOSE + "  api: {image: c}\n"))
    with pytest.raises(ArgumentError, match="more than 1 images"):
        read(put("m.yaml", COMPOSE + "    volumes: [{type: image, source: c}]\n"))


def test_a_dockerfile_is_known_by_its_name_or_option(folder: Path):
    put("web.Dockerfile", "ARG V\nFROM a:$V\n")
    assert judged(read("web.Dockerfile", build_args={"V": "1"})) == [("a:1", "web.Dockerfile", 2)]
    assert judged(read(dockerfiles=[put("build", "FROM a:1")])) == [("a:1", "build", 1)]


def test_a_dockerfile_from_scratch_has_no_image(folder: Path):
    found = read(put("Dockerfile", "FROM scratch\n"))
    assert (judged(found), found.skipped) == ([], {"Dockerfile": 1})


@pytest.mark.parametrize("text", ["", "# a\n", "RUN x\n"])
def test_a_dockerfile_without_a_stage_is_not_judged(folder: Path, text: str):
    assert "there is no object in Dockerfile" in why(read(put("Dockerfile", text)))


def test_the_search_for_a_line_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tidegate.cli.yaml_files.MAX_STEPS", 1)
    assert judged(read(put("m.yaml", POD))) == [("a:1", "m.yaml", 1)]


def test_a_key_that_is_no_text_has_no_line(folder: Path):
    text = "apiVersion: example.com/v1\nkind: Thing\nspec:\n  image: a:1\n  ? [a, b]\n  : {image: c}\n"
    assert [one.line for one in read(put("m.yaml", text.replace("[a, b]", "1"))).images] == [4, 6]
    with pytest.raises(ArgumentError, match="is not YAML"):
        read(put("m.yaml", text))
