"""The HTTP server that the API server calls: routes as data, named limits, TLS reloaded in place, graceful drain.

It knows nothing of images: `AdmissionServer` calls a `Responder`. A second listener (metrics) is a `Listener` with its own
routes and without TLS. aiohttp speaks HTTP; `Connection` has the limits that aiohttp does not have.
"""

from tidegate.webhook.server.admission import AdmissionServer, Responder
from tidegate.webhook.server.ended import Ended
from tidegate.webhook.server.limits import ServerLimits
from tidegate.webhook.server.listener import Listener
from tidegate.webhook.server.probes import probe_routes
from tidegate.webhook.server.reply import BadRequest, ServerResponse
from tidegate.webhook.server.route import Handler, Route
from tidegate.webhook.server.tls import ServerTLS

__all__ = [
    "AdmissionServer",
    "BadRequest",
    "Ended",
    "Handler",
    "Listener",
    "Responder",
    "Route",
    "ServerLimits",
    "ServerResponse",
    "ServerTLS",
    "probe_routes",
]
