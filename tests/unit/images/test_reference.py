"""References are read as the container runtime reads them, and what it would refuse is refused in clear words."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.errors import InvalidReferenceError
from tidegate.images.reference import MAX_PATH_LENGTH, MAX_REFERENCE_LENGTH, ImageReference, parse_reference, quoted

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
HUB = "docker.io"


def fields(reference: ImageReference) -> tuple[str, str, str | None, str | None]:
    return reference.domain, reference.path, reference.tag, reference.digest


READ_AS = {
    "a bare name is an official image of Docker Hub": ("nginx", (HUB, "library/nginx", "latest", None)),
    "a bare name keeps its tag": ("nginx:1.27", (HUB, "library/nginx", "1.27", None)),
    "a bare name keeps its digest and gets no tag": (f"nginx@{SHA256}", (HUB, "library/nginx", None, SHA256)),
    "a user's image of Docker Hub": ("bitnami/nginx", (HUB, "bitnami/nginx", "latest", None)),
    "docker.io alone implies library/": ("docker.io/nginx", (HUB, "library/nginx", "latest", None)),
    "index.docker.io is docker.io": ("index.docker.io/nginx", (HUB, "library/nginx", "latest", None)),
    "index.docker.io with a user": ("index.docker.io/bitnami/nginx", (HUB, "bitnami/nginx", "latest", None)),
    "library/ is not doubled": ("docker.io/library/nginx", (HUB, "library/nginx", "latest", None)),
    "docker.io as a name": ("docker.io", (HUB, "library/docker.io", "latest", None)),
    "localhost is a host before a slash": ("localhost/app", ("localhost", "app", "latest", None)),
    "localhost alone is a name": ("localhost", (HUB, "library/localhost", "latest", None)),
    "a first part with a dot is a host": ("ghcr.io/app", ("ghcr.io", "app", "latest", None)),
    "a first part with a colon is a host": ("registry:5000/app", ("registry:5000", "app", "latest", None)),
    "a first part with upper case is a host": ("Registry/app", ("registry", "app", "latest", None)),
    "a host is lower-cased": ("GHCR.io/app", ("ghcr.io", "app", "latest", None)),
    "an upper-case Docker Hub is not completed": ("DOCKER.IO/app", (HUB, "app", "latest", None)),
    "a colon without a slash is a tag": ("registry:5000", (HUB, "library/registry", "5000", None)),
    "an IPv4 address": ("10.0.0.1:5000/app", ("10.0.0.1:5000", "app", "latest", None)),
    "an IPv6 address": ("[2001:db8::1]/app", ("[2001:db8::1]", "app", "latest", None)),
    "an IPv6 address with a port": ("[2001:DB8::1]:5000/app:1", ("[2001:db8::1]:5000", "app", "1", None)),
    "tag and digest are both kept": (f"ghcr.io/a:1@{SHA256}", ("ghcr.io", "a", "1", SHA256)),
    "a deep path": ("ghcr.io/a/b/c/d", ("ghcr.io", "a/b/c/d", "latest", None)),
    "separators in a path": ("ghcr.io/a.b/c_d/e__f/g---h", ("ghcr.io", "a.b/c_d/e__f/g---h", "latest", None)),
    "a tag of every kind of character": ("ghcr.io/a:_A.b-9", ("ghcr.io", "a", "_A.b-9", None)),
    "a tag of 128 characters": ("ghcr.io/a:" + "t" * 128, ("ghcr.io", "a", "t" * 128, None)),
    "63 hexadecimal digits are a name": (HEX[:63], (HUB, f"library/{HEX[:63]}", "latest", None)),
    "64 hexadecimal digits on a host are a name": (f"ghcr.io/{HEX}", ("ghcr.io", HEX, "latest", None)),
    "64 hexadecimal digits with a tag are a name": (f"{HEX}:1", (HUB, f"library/{HEX}", "1", None)),
    "a digest without a name is a name with a tag": (SHA256, (HUB, "library/sha256", HEX, None)),
    "a path of 255 characters": (f"ghcr.io/{'a' * 255}", ("ghcr.io", "a" * 255, "latest", None)),
    "library/ counts towards the 255": ("a" * 247, (HUB, "library/" + "a" * 247, "latest", None)),
}


@pytest.mark.parametrize("case", READ_AS, ids=str)
def test_reference_is_read_as_the_runtime_reads_it(case):
    text, expected = READ_AS[case]
    reference = parse_reference(text)
    assert fields(reference) == expected
    assert str(reference) == reference.text == text
    assert reference.ecr is None


REFUSED = {
    "nothing": ("", "it is empty"),
    "an image id": (HEX, "is an image id"),
    "upper case in the path": ("ghcr.io/App", "lower case"),
    "upper case in a bare name": ("Nginx", "lower case"),
    "upper case behind a host-like first part": ("Registry/App", "lower case"),
    "a path of 256 characters": (f"ghcr.io/{'a' * 256}", "256 characters"),
    "library/ makes it 256": ("a" * 248, "256 characters"),
    "a tag of 129 characters": ("ghcr.io/a:" + "t" * 129, "is not a tag"),
    "an empty tag": ("ghcr.io/a:", "is not a tag"),
    "a tag that starts with a dot": ("ghcr.io/a:.b", "is not a tag"),
    "a tag that starts with a dash": ("ghcr.io/a:-b", "is not a tag"),
    "two tags": ("ghcr.io/a:b:c", "is not a tag"),
    "an empty digest": ("ghcr.io/a@", "expected host/repository"),
    "a sha256 digest of 63 digits": (f"ghcr.io/a@{SHA256[:-1]}", "no valid digest"),
    "a sha256 digest of 65 digits": (f"ghcr.io/a@{SHA256}0", "no valid digest"),
    "a sha256 digest in upper case": (f"ghcr.io/a@sha256:{HEX.upper()}", "no valid digest"),
    "an algorithm in upper case": (f"ghcr.io/a@SHA256:{HEX}", "no valid digest"),
    "a sha512 digest": (f"ghcr.io/a@sha512:{HEX * 2}", "only sha256"),
    "an unknown algorithm": (f"ghcr.io/a@multihash+base58:{HEX}", "only sha256"),
    "two digests": (f"ghcr.io/a@{SHA256}@{SHA256}", "expected host/repository"),
    "a digest before the tag": (f"ghcr.io/a@{SHA256}:1", "no valid digest"),
    "a scheme": ("https://ghcr.io/a", "is not a registry host"),
    "an empty path": ("ghcr.io/", "is not a repository name"),
    "a leading slash": ("/a", "is not a repository name"),
    "a double slash": ("ghcr.io//a", "is not a repository name"),
    "a trailing slash": ("ghcr.io/a/", "is not a repository name"),
    "three underscores": ("ghcr.io/a___b", "is not a repository name"),
    "two dots": ("ghcr.io/a..b", "is not a repository name"),
    "a parent folder": ("ghcr.io/../a", "is not a repository name"),
    "a host that ends in a dot": ("ghcr.io./a", "is not a registry host"),
    "a host label that starts with a dash": ("-a.io/a", "is not a registry host"),
    "a host label that ends with a dash": ("a-.io/a", "is not a registry host"),
    "a host with an underscore": ("my_host.io/a", "is not a registry host"),
    "a port that is no number": ("ghcr.io:http/a", "is not a registry host"),
    "an empty port": ("ghcr.io:/a", "is not a registry host"),
    "credentials in the host": ("user:pass@ghcr.io/a", "is not a registry host"),
    "an IPv6 address without brackets": ("2001:db8::1/a", "is not a registry host"),
    "an IPv6 zone": ("[fe80::1%eth0]/a", "is not a registry host"),
    "an empty IPv6 address": ("[]:5000/a", "is not a registry host"),
    "a trailing newline": ("ghcr.io/a\n", "control characters"),
    "a leading space": (" ghcr.io/a", "white space"),
    "a null character": ("ghcr.io/a\x00", "control characters"),
    "a right-to-left override": ("ghcr.io/\u202ea", "control characters"),
    "a Cyrillic look-alike": ("ghcr.io/\u0430pp", "outside ASCII"),
    "a full-width digit in the port": ("ghcr.io:\uff15/a", "outside ASCII"),
    "the Kelvin sign in the host": ("123456789012.d\u212ar.ecr.eu-west-1.amazonaws.com/app", "outside ASCII"),
    "more than is looked at": ("a/" * 512 + "a", "1025 characters"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_the_runtime_would_refuse_is_refused_and_said(case):
    text, words = REFUSED[case]
    with pytest.raises(InvalidReferenceError) as refused:
        parse_reference(text)
    assert words in str(refused.value)
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


def test_the_length_bound_counts_the_whole_text():
    host = ".".join(["a" * 60] * 10)
    text = f"{host}/{'b' * 255}:{'t' * 128}"
    longest = text[: text.index("/")] + "a" * (MAX_REFERENCE_LENGTH - len(text)) + text[text.index("/") :]
    assert len(longest) == MAX_REFERENCE_LENGTH
    assert len(parse_reference(longest).path) == MAX_PATH_LENGTH
    with pytest.raises(InvalidReferenceError, match="more than 1024"):
        parse_reference("a" + longest)


ECR_IDENTITY = {
    "the host": f"{ECR}/team/app:1",
    "the host with the port of https": f"{ECR}:443/team/app:1",
    "the host in upper case": f"{ECR.upper()}/team/app:1",
    "the FIPS host": "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com/team/app:1",
    "the dual-stack host": "123456789012.dkr-ecr.eu-west-1.on.aws/team/app:1",
}


@pytest.mark.parametrize("case", ECR_IDENTITY, ids=str)
def test_every_host_form_of_a_registry_is_one_repository(case):
    reference = parse_reference(ECR_IDENTITY[case])
    assert reference.ecr is not None
    assert reference.ecr.arn == "arn:aws:ecr:eu-west-1:123456789012:repository/team/app"
    assert reference.domain == reference.domain.lower()


ECR_REFUSED = {
    "another port": (f"{ECR}:5000/app", "answers on 443 only"),
    "the port of http": (f"{ECR}:80/app", "answers on 443 only"),
    "443 written otherwise": (f"{ECR}:0443/app", "answers on 443 only"),
    "a repository name of one character": (f"{ECR}/a", "none shorter than 2"),
}


@pytest.mark.parametrize("case", ECR_REFUSED, ids=str)
def test_what_amazon_ecr_cannot_serve_is_refused(case):
    """Another identity for the same host would let an image slip past the policy that is about its repository."""
    text, words = ECR_REFUSED[case]
    with pytest.raises(InvalidReferenceError, match=words):
        parse_reference(text)


def test_the_images_of_one_repository_share_its_identity():
    one, other = (parse_reference(f"{ECR}/team/app:{tag}") for tag in ("v1", "v2"))
    assert one.ecr is other.ecr is not None


def test_the_shortest_repository_name_of_amazon_ecr_is_accepted():
    assert parse_reference(f"{ECR}/ab").ecr is not None


NOT_ECR = {
    "a look-alike suffix": f"{ECR}.example.com/app",
    "a look-alike prefix": f"x{ECR}/app",
    "a host in the path": f"example.com/{ECR}/app",
    "an account of 11 digits": f"{ECR[1:]}/app",
    "the public registry": "public.ecr.aws/nginx/nginx",
}


@pytest.mark.parametrize("case", NOT_ECR, ids=str)
def test_a_look_alike_is_not_amazon_ecr(case):
    assert parse_reference(NOT_ECR[case]).ecr is None


LONG_RUNS = {
    "labels": "a." * 511,
    "dashes": "a" + "-" * 1022,
    "dashes and letters": "a-" * 511,
    "underscores": "a_" * 511,
    "components": "a/" * 511,
    "brackets": "[" + ":" * 1022,
    "digest separators": "a@" + "a+" * 510,
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("case", LONG_RUNS, ids=str)
def test_no_text_makes_matching_hang(case):
    """Matching is linear: a thousand characters take microseconds, not the centuries of a backtracking match."""
    with pytest.raises(InvalidReferenceError):
        parse_reference(LONG_RUNS[case] + "!")


def test_quoted_text_is_cut_and_harmless():
    assert quoted("a\n\x1b[31m\u202e") == r"'a\n\x1b[31m\u202e'"
    assert quoted("a" * 96) == repr("a" * 96)
    assert quoted("a" * 97) == repr("a" * 96 + "...")


NEAR_VALID = st.text(alphabet="aAz09.-_:/@[]sh256docker\n\u212a ", max_size=80)


def reference_or_refusal(text: str) -> ImageReference | str:
    try:
        return parse_reference(text)
    except InvalidReferenceError as refused:
        return str(refused)


@given(st.text() | NEAR_VALID | st.builds("{}/{}:{}@{}".format, NEAR_VALID, NEAR_VALID, NEAR_VALID, NEAR_VALID))
@example("\ud800")
@example("ghcr.io/a:\ud800")
def test_any_text_is_a_reference_or_an_invalid_reference(text):
    """Nothing but InvalidReferenceError comes out, and what is accepted is bounded, lower-cased and read alike again."""
    reference = reference_or_refusal(text)
    if isinstance(reference, str):
        assert reference.isascii()
        assert len(reference) < 2000
        return
    assert text.isascii()
    assert text.isprintable()
    assert reference.domain == reference.domain.lower()
    assert reference.tag or reference.digest
    tag = f":{reference.tag}" if reference.tag else ""
    digest = f"@{reference.digest}" if reference.digest else ""
    if reference.domain == HUB and "/" not in reference.path:
        return  # DOCKER.IO/app has no lower-case spelling
    if reference.domain == "index.docker.io" or ("." not in reference.domain and ":" not in reference.domain):
        return  # the lower-cased spelling is another reference; the host stays what the runtime connects to
    assert fields(parse_reference(f"{reference.domain}/{reference.path}{tag}{digest}")) == fields(reference)
