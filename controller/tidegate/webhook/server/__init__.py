"""The HTTP server that the API server calls: routes as data, named limits, TLS reloaded in place, graceful drain.

It knows nothing of images: `AdmissionServer` is given a `Responder`. A second listener (metrics) is a `Listener` with
its own routes and without TLS. aiohttp speaks HTTP; what it leaves unbounded is in `Connection`.
"""

from tidegate.webhook.kopf_host import KopfHost
from tidegate.webhook.server.admission import AdmissionServer, Responder
from tidegate.webhook.server.client_certificate import ClientCertificate
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.listener import Listener
from tidegate.webhook.server.reply import BadRequest, ServerResponse
from tidegate.webhook.server.route import Handler, Route, ServerRequest
from tidegate.webhook.server.tls import ServerTLS, TLSFiles

__all__ = [
    "AdmissionServer",
    "BadRequest",
    "ClientCertificate",
    "Ended",
    "Handler",
    "KopfHost",
    "Listener",
    "Responder",
    "Route",
    "ServerLimits",
    "ServerRequest",
    "ServerResponse",
    "ServerTLS",
    "TLSFiles",
]
