# The controller's image: Python, the locked dependencies, the package, and the libraries that these load. No shell, no
# package manager, no setuid program; nothing that builds or downloads.
#
#   docker build --tag tidegate:0.1.0 .
#   docker build --build-arg BASE=python:3.13-slim-bookworm@sha256:... --build-arg VERSION=0.1.0 --build-arg REVISION=... .
#
# BASE is any image of Debian or Ubuntu with python3 (3.11 or newer), its venv module and ca-certificates. Python and the
# libraries are taken from it. Give it by digest for a release, or a local one where no registry is reached.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
# pip stays in /build; what runs in the cluster is installed into /opt/tidegate from outside and never has it.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/tidegate
COPY locks/runtime.txt locks/dev.txt locks/
# Compiled is what was copied, below: pip compiles for the files' times, which a registry may change.
RUN /build/bin/pip --python /opt/tidegate/bin/python install --no-compile --no-deps --only-binary :all: --require-hashes \
        --requirement locks/runtime.txt
COPY deploy/image/root.py ./
RUN /opt/tidegate/bin/python root.py /image
# The build backend comes from the same lock as in development. What it needs beyond these names, pip refuses.
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' locks/dev.txt > build.txt \
    && /build/bin/pip install --only-binary :all: --require-hashes --requirement build.txt
COPY pyproject.toml README.md LICENSE ./
COPY controller controller
# A layer of its own: the next version of tidegate is a small download.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/tidegate/bin/python install --no-compile --no-deps --no-index \
        --prefix /package/opt/tidegate /wheels/*.whl \
    && python3 -m compileall -f -q --invalidation-mode unchecked-hash -s /package -p / /package

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tidegate" \
      org.opencontainers.image.description="Admission control for Amazon ECR images on Amazon EKS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=builder /image /
COPY --from=builder /package /
# /dev/shm can be written although the root file system is read-only, and needs no volume.
ENV PATH=/opt/tidegate/bin \
    HOME=/tmp \
    TMPDIR=/dev/shm \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1
WORKDIR /
USER 65532:65532
EXPOSE 9443 8080
ENTRYPOINT ["/opt/tidegate/bin/tidegate"]
CMD ["--help"]
