"""The configuration file: strict, complete by itself, and every mistake named with its path."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import settings as settings_module
from tidegate.errors import ConfigurationError
from tidegate.settings import Settings, load_settings, parse_settings


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n", "null"], ids=["no text", "no keys", "a comment", "null"])
def test_without_a_word_every_default_holds(text):
    assert parse_settings(text) == Settings()


def test_keys_are_written_in_camel_case_and_read_into_every_section():
    found = parse_settings(
        """
        namespace: tidegate-system
        auditOnly: true
        server: {port: 0, metricsPort: 9090, webhookTimeoutSeconds: 5, drainSeconds: 0}
        certificate: {mode: files, certFile: /tls/tls.crt, keyFile: /tls/tls.key}
        aws:
          region: eu-west-1
          endpoints: {ecr: "https://ecr.example"}
          accounts: [{account: "111122223333", roleArn: "arn:aws:iam::111122223333:role/reader", scanner: basic}]
          ratePerSecond: 5
          burst: 10
        cache: {images: 100}
        log: {level: debug, format: console}
        """
    )
    assert (found.namespace, found.audit_only) == ("tidegate-system", True)
    assert (found.server.port, found.server.metrics_port, found.server.webhook_timeout_seconds) == (0, 9090, 5.0)
    assert (found.certificate.mode, found.certificate.key_file) == ("files", "/tls/tls.key")
    assert (found.aws.endpoints.ecr, found.aws.rate_per_second) == ("https://ecr.example", 5.0)
    assert [(one.account, one.scanner) for one in found.aws.accounts] == [("111122223333", "basic")]
    assert (found.cache.images, found.log.level, found.log.format) == (100, "debug", "console")


WRONG = [
    pytest.param("unknown: 1", "unknown", id="a key that there is not"),
    pytest.param("server: {prot: 1}", "$.server", id="a misspelt key, with its section"),
    pytest.param("audit_only: true", "audit_only", id="a key in another spelling"),
    pytest.param("auditOnly: 'yes'", "$.auditOnly", id="a text for a switch"),
    pytest.param("server: {port: 65536}", "$.server.port", id="a port beyond the last"),
    pytest.param("server: {port: -1}", "$.server.port", id="a port below the first"),
    pytest.param(
        "server: {webhookTimeoutSeconds: 31}", "$.server.webhookTimeoutSeconds", id="longer than Kubernetes waits"
    ),
    pytest.param("server: {webhookTimeoutSeconds: 0.5}", "$.server.webhookTimeoutSeconds", id="shorter than it can"),
    pytest.param("cache: {images: 99}", "$.cache.images", id="too small a cache"),
    pytest.param("cache: {images: 1000001}", "$.cache.images", id="too large a cache"),
    pytest.param("aws: {burst: 0}", "$.aws.burst", id="no call at all"),
    pytest.param("aws: {ratePerSecond: 0}", "$.aws.ratePerSecond", id="no call ever"),
    pytest.param("aws: {accounts: [{account: '1'}]}", "$.aws.accounts[0].account", id="no account"),
    pytest.param(
        "aws: {accounts: [{account: 111122223333}]}", "$.aws.accounts[0].account", id="an account as a number"
    ),
    pytest.param("aws: {endpoints: {ecr: ftp://x}}", "$.aws.endpoints.ecr", id="an endpoint that is no URL"),
    pytest.param("certificate: {mode: none}", "$.certificate.mode", id="a mode that there is not"),
    pytest.param("log: {level: trace}", "$.log.level", id="a level that there is not"),
    pytest.param("[]", "Expected `object`", id="a list"),
    pytest.param("a: [", "not YAML", id="no YAML"),
    pytest.param("a: 2001-13-01", "not YAML", id="a date that there is not"),
    pytest.param("a: !!timestamp x", "not YAML", id="a text that is said to be a date"),
    pytest.param("[" * 5000, "not YAML", id="deeper than can be read"),
    pytest.param("!!python/object:os.system {}", "not YAML", id="YAML that would run code"),
]


@pytest.mark.parametrize(("text", "named"), WRONG)
def test_what_is_wrong_is_refused_by_its_path(text, named):
    with pytest.raises(ConfigurationError) as refused:
        parse_settings(text, source="config.yaml")
    assert str(refused.value).startswith("config.yaml")
    assert named in str(refused.value)


def test_an_account_that_is_named_twice_is_refused():
    with pytest.raises(ConfigurationError, match=r"aws\.accounts has 111122223333 more than once; keep one"):
        parse_settings(
            "aws: {accounts: [{account: '111122223333'}, {account: '444455556666'}, {account: '111122223333'}]}"
        )


def test_a_file_is_read_and_named_in_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("auditOnly: true")
    assert load_settings(path).audit_only
    path.write_text("auditOnly: 1")
    with pytest.raises(ConfigurationError, match=r"config\.yaml"):
        load_settings(path)


def test_a_file_that_is_not_there_or_not_text_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigurationError):
        load_settings(tmp_path / "nothing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError):
        load_settings(tmp_path / "binary.yaml")


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(settings_module, "MAX_FILE_BYTES", 16)
    path = tmp_path / "config.yaml"
    path.write_text("auditOnly: true " + "#" * 32)
    with pytest.raises(ConfigurationError):
        load_settings(path)


def test_the_defaults_are_within_their_own_bounds():
    assert msgspec.convert(msgspec.to_builtins(Settings()), Settings) == Settings()


@given(st.text(max_size=200) | st.from_regex(r"[a-z]{1,9}: ?[\[\]{}a-z0-9:, ]{0,30}", fullmatch=True))
def test_any_text_is_settings_or_a_configuration_error(text):
    with contextlib.suppress(ConfigurationError):
        assert isinstance(parse_settings(text), Settings)
