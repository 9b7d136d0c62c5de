"""The simulated services, one file each: add a service by writing its file and naming it here."""

from tests.simulator.service import Service
from tests.simulator.services import ecr, inspector2, kms, signer, sqs, sts

SERVICES: dict[str, Service] = {
    each.name: each for each in (ecr.SERVICE, inspector2.SERVICE, kms.SERVICE, signer.SERVICE, sqs.SERVICE, sts.SERVICE)
}
