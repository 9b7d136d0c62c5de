"""A registry that speaks the OCI distribution protocol 1.1: real cosign and notation push to it and pull from it.

In a test::

    with OciRegistry() as registry:                       # or OciRegistry(referrers_api=False, auth="token", ...)
        digest = registry.push_image("team/app", "v1")    # gives the digest; registry.host is 127.0.0.1:PORT
        registry.add("team/app", manifest)                # any Manifest of tests.simulator, blobs included
        registry.inject(about="/blobs/", status=503)      # see http_faults.py
        registry.requests                                 # (METHOD, /path?query, headers), oldest first

``auth`` is "none", "token" (a bearer token for each repository, from ``/token``) or "basic". ``users`` are names and
passwords; without any, everybody gets a token. ``realm`` names another token service than the registry's own.
"""

import base64
import json
import re
import secrets
import ssl
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

from aiohttp import web

from tests.simulator import manifests
from tests.simulator.http_faults import HttpFault, play
from tests.simulator.http_thread import HttpThread
from tests.simulator.manifests import OCI_INDEX, Manifest, sha256
from tests.simulator.oci_content import OciContent, referrers_page, subject_of

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_UPLOADS = re.compile(rf"/v2/{_NAME}/blobs/uploads/(?P<upload>[a-z0-9]*)")
_BLOB = re.compile(rf"/v2/{_NAME}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})")
_MANIFEST = re.compile(rf"/v2/{_NAME}/manifests/(?P<reference>[\w.:-]+)")
_REFERRERS = re.compile(rf"/v2/{_NAME}/referrers/(?P<digest>sha256:[0-9a-f]{{64}})")
_TAGS = re.compile(rf"/v2/{_NAME}/tags/list")
_JSON = "application/json"


class OciRegistry(HttpThread):
    """Serve repositories over HTTP, or HTTPS with ``tls``, while used as a context manager."""

    def __init__(
        self,
        *,
        auth: Literal["none", "token", "basic"] = "none",
        users: Mapping[str, str] | None = None,
        realm: str | None = None,
        referrers_api: bool = True,
        page: int = 100,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(tls=tls, port=port)
        self.auth = auth
        self.users = dict(users or {})
        self.realm = realm
        self.referrers_api = referrers_api
        self.page = page
        self.repositories: dict[str, OciContent] = defaultdict(OciContent)
        self.requests: list[tuple[str, str, Mapping[str, str]]] = []
        self.token_members: dict[str, Any] = {}
        self._faults: list[HttpFault] = []
        self._tokens: dict[str, str] = {}
        self._uploads: dict[str, bytearray] = {}

    # What tests use

    @property
    def url(self) -> str:
        return self.origin

    def add(self, name: str, manifest: Manifest, tag: str | None = None) -> str:
        """Keep a manifest with its blobs; give its digest."""
        return self.repositories[name].add(manifest, tag)

    def push_image(self, name: str, tag: str | None = None, content: str = "app") -> str:
        """Keep a small image; give its digest."""
        return self.add(name, manifests.image(content), tag)

    def inject(self, **order: Any) -> HttpFault:
        """Order a bad answer; later orders come first. See HttpFault."""
        fault = HttpFault(**order)
        self._faults.insert(0, fault)
        return fault

    def clear(self) -> None:
        self._faults.clear()

    def expire_tokens(self) -> None:
        """Let all tokens given so far be worthless."""
        self._tokens.clear()

    def paths(self, part: str = "") -> list[str]:
        """Give ``METHOD /path?query`` of the requests that hold this part."""
        return [line for line in (f"{method} {path}" for method, path, _ in self.requests) if part in line]

    # The server

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()  # blobs are larger than what request.read() takes
        self.requests.append((request.method, request.raw_path, request.headers.copy()))
        line = f"{request.method} {request.raw_path}"
        fault = next((each for each in self._faults if each.strikes(line)), None)
        if fault is not None:
            return await play(fault, request, self.stopping)
        if request.path == "/token":
            return self._token(request)
        if not request.path.startswith("/v2/"):
            return _problem(404, "NOT_FOUND")
        if (refused := self._refuse(request)) is not None:
            return refused
        return self._route(request, body)

    def _route(self, request: web.BaseRequest, body: bytes) -> web.Response:
        routes = (
            (_UPLOADS, self._upload),
            (_BLOB, self._blob),
            (_MANIFEST, self._manifest),
            (_REFERRERS, self._list_referrers),
            (_TAGS, self._tags),
        )
        if request.path == "/v2/":
            return web.Response(body=b"{}", content_type=_JSON)
        for pattern, answer in routes:
            if found := pattern.fullmatch(request.path):
                return answer(request, body, **found.groupdict())
        return _problem(404, "NOT_FOUND")

    # Who may

    def _refuse(self, request: web.BaseRequest) -> web.Response | None:
        name = "" if request.path == "/v2/" else request.path.removeprefix("/v2/")
        given = request.headers.get("Authorization", "")
        if self.auth == "none":
            return None
        if self.auth == "basic":
            if self._known(given):
                return None
            return _problem(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="registry"'})
        scope = self._tokens.get(given.removeprefix("Bearer "))
        if scope is not None and (not name or name.startswith(f"{scope}/")):
            return None
        repository = re.split(r"/(?:blobs|manifests|referrers|tags)/", name)[0]
        action = "pull" if request.method in ("GET", "HEAD") else "pull,push"
        scope_word = f',scope="repository:{repository}:{action}"' if name else ""
        challenge = f'Bearer realm="{self.realm or self.url + "/token"}",service="{self.host}"{scope_word}'
        return _problem(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})

    def _known(self, authorization: str) -> bool:
        user = _user(authorization)
        return user is not None and self.users.get(user[0]) == user[1]

    def _token(self, request: web.BaseRequest) -> web.Response:
        """Give a token for one repository; one asked for several, as for a mount, is for the last."""
        given = request.headers.get("Authorization")
        if (given is not None or self.users) and not self._known(given or ""):
            return _problem(401, "UNAUTHORIZED")
        scopes = " ".join(request.query.getall("scope", [])).split()
        name = scopes[-1].split(":")[1] if scopes else ""
        token = secrets.token_hex(8)
        self._tokens[token] = name
        return _json({"token": token, "expires_in": 300, **self.token_members})

    # Content

    def _upload(self, request: web.BaseRequest, body: bytes, name: str, upload: str) -> web.Response:
        query = request.query
        if request.method == "POST":
            if (mounted := self._mounted(query.get("mount"), query.get("from"))) is not None:
                return self._keep(name, mounted)
            if "digest" in query:
                return self._keep(name, body, query["digest"])
            upload = secrets.token_hex(8)
            self._uploads[upload] = bytearray()
            return self._progress(name, upload, 202)
        if upload not in self._uploads:
            return _problem(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "GET":
            return self._progress(name, upload, 204)
        self._uploads[upload] += body
        if request.method == "PATCH":
            return self._progress(name, upload, 202)
        return self._keep(name, bytes(self._uploads.pop(upload)), query.get("digest", ""))

    def _mounted(self, digest: str | None, source: str | None) -> bytes | None:
        if digest is None or source is None or source not in self.repositories:
            return None
        return self.repositories[source].blobs.get(digest)

    def _keep(self, name: str, content: bytes, claimed: str | None = None) -> web.Response:
        digest = sha256(content)
        if claimed not in (None, digest):
            return _problem(400, "DIGEST_INVALID")
        self.repositories[name].blobs[digest] = content
        headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
        return web.Response(status=201, headers=headers)

    def _progress(self, name: str, upload: str, status: int) -> web.Response:
        last = max(len(self._uploads[upload]) - 1, 0)
        headers = {
            "Location": f"/v2/{name}/blobs/uploads/{upload}",
            "Range": f"0-{last}",
            "Docker-Upload-UUID": upload,
        }
        return web.Response(status=status, headers=headers)

    def _blob(self, request: web.BaseRequest, body: bytes, name: str, digest: str) -> web.Response:
        blobs = self.repositories[name].blobs if name in self.repositories else {}
        if digest not in blobs:
            return _problem(404, "BLOB_UNKNOWN")
        if request.method == "DELETE":
            del blobs[digest]
            return web.Response(status=202)
        return _content(request, blobs[digest], "application/octet-stream", digest)

    def _manifest(self, request: web.BaseRequest, body: bytes, name: str, reference: str) -> web.Response:
        if request.method == "PUT":
            if reference.startswith("sha256:") and reference != sha256(body):
                return _problem(400, "DIGEST_INVALID")
            digest = self.repositories[name].put(body, request.headers.get("Content-Type", ""), reference)
            subject = subject_of(body) if self.referrers_api else None
            told = {"OCI-Subject": subject} if subject else {}
            headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest, **told}
            return web.Response(status=201, headers=headers)
        if name not in self.repositories:
            return _problem(404, "NAME_UNKNOWN")
        repository = self.repositories[name]
        if request.method == "DELETE":
            return web.Response(status=202) if repository.remove(reference) else _problem(404, "MANIFEST_UNKNOWN")
        kept = repository.find(reference)
        if kept is None:
            return _problem(404, "MANIFEST_UNKNOWN")
        return _content(request, kept.content, kept.media_type, kept.digest)

    def _list_referrers(self, request: web.BaseRequest, body: bytes, name: str, digest: str) -> web.Response:
        if not self.referrers_api:
            return _problem(404, "NOT_FOUND")
        kind = request.query.get("artifactType")
        start = int(request.query.get("last", "0"))
        entries = self.repositories[name].referrers(digest, kind) if name in self.repositories else []
        headers = {"OCI-Filters-Applied": "artifactType"} if kind else {}
        if start + self.page < len(entries):
            told = f"&artifactType={kind}" if kind else ""
            headers["Link"] = f'</v2/{name}/referrers/{digest}?last={start + self.page}{told}>; rel="next"'
        page = referrers_page(entries[start : start + self.page])
        return web.Response(body=page, headers={"Content-Type": OCI_INDEX, **headers})

    def _tags(self, request: web.BaseRequest, body: bytes, name: str) -> web.Response:
        if name not in self.repositories:
            return _problem(404, "NAME_UNKNOWN")
        return _json({"name": name, "tags": sorted(self.repositories[name].tags)})


def _content(request: web.BaseRequest, content: bytes, media_type: str, digest: str) -> web.Response:
    headers = {"Content-Type": media_type, "Docker-Content-Digest": digest, "Content-Length": str(len(content))}
    return web.Response(body=b"" if request.method == "HEAD" else content, headers=headers)


def _json(document: Any) -> web.Response:
    return web.Response(body=json.dumps(document).encode(), content_type=_JSON)


def _problem(status: int, code: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
    return web.Response(status=status, body=body, content_type=_JSON, headers=dict(headers or {}))


def _user(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme != "Basic":
        return None
    name, _, password = base64.b64decode(encoded).decode().partition(":")
    return name, password
