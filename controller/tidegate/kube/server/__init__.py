"""The HTTP server that the API server calls: routes as data, named limits, TLS reloaded in place, graceful drain.

It knows nothing of images: `AdmissionServer` is given a `Responder`. A second listener (metrics) is a `Listener` with
its own routes and without TLS. aiohttp speaks HTTP; what it leaves unbounded is in `Guard`.
"""

from tidegate.kube.server.admission import AdmissionServer, Responder
from tidegate.kube.server.client_certificate import ClientCertificate
from tidegate.kube.server.ended import Ended
from tidegate.kube.server.kopf_host import KopfHost
from tidegate.kube.server.limits import ServerLimits
from tidegate.kube.server.listener import Listener
from tidegate.kube.server.reply import BadRequest, Reply
from tidegate.kube.server.route import Handler, Request, Route
from tidegate.kube.server.tls import ServerTLS, TLSFiles

__all__ = [
    "AdmissionServer",
    "BadRequest",
    "ClientCertificate",
    "Ended",
    "Handler",
    "KopfHost",
    "Listener",
    "Reply",
    "Request",
    "Responder",
    "Route",
    "ServerLimits",
    "ServerTLS",
    "TLSFiles",
]
