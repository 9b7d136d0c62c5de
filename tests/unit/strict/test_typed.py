"""Types that several threads decode are known to msgspec before: their first use, by two at once, crashes the process."""

import subprocess
import sys

import pytest

USES = {
    "verdicts": "from tidegate.verdicts.decode import VerdictObject as T",
    "facts of verdicts": "from tidegate.verdicts.facts import ImageFacts as T",
    "events": "from tidegate.cluster.reflector import _Event as T",
    "pages of a watch": "from tidegate.cluster.reflector import _RawPage as T",
    "heads of objects": "from tidegate.cluster.reflector import _ObjectHead as T",
    "heads of verdicts": "from tidegate.background.stored import _HeadObject as T",
    "lists": "from tidegate.cluster.api import _Page, Json; T = _Page[Json]",
    "lists of metadata": "from tidegate.cluster.api import _Page, _Named; T = _Page[_Named]",
    "bundles": "from tidegate.verify.sigstore.bundle import _Bundle as T",
    "envelopes": "from tidegate.verify.sigstore.bundle import _Envelope as T",
    "bundles of cosign": "from tidegate.verify.sigstore.layer import _CosignBundle as T",
    "timestamps of cosign": "from tidegate.verify.sigstore.layer import _CosignTimestamp as T",
    "trusted roots": "from tidegate.verify.sigstore.trust_root import _TrustedRoot as T",
}
SCRIPT = """
import sys
import msgspec
{use}
learnt = []
sys.setprofile(lambda frame, event, _: learnt.append(frame.f_code.co_name) if event == "call" else None)
try:
    msgspec.json.decode(b"7", type=T)
except msgspec.ValidationError:
    pass
sys.setprofile(None)
print(learnt.count("get_class_annotations") + learnt.count("get_dataclass_info"))
"""
"""msgspec calls these functions of its own, in Python, when it learns a type."""


@pytest.mark.parametrize("what", USES)
def test_a_type_is_known_before_its_first_use(what):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(use=USES[what])], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
