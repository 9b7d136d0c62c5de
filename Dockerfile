# The controller's image: Python, the locked dependencies, the package, nothing that builds or downloads.
#
#   docker build --tag tidegate:0.1.0 .
#   docker build --build-arg BASE=python:3.13-slim-bookworm@sha256:... --build-arg VERSION=0.1.0 --build-arg REVISION=... .
#
# BASE is any image with python3 (3.11 or newer) and its venv module; both stages use it, so that the interpreter is where
# the virtual environment expects it. Give it by digest for a release, or a local one where no registry is reached.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
# pip stays in /build; what runs in the cluster is installed into /opt/tidegate from outside and never has it.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/tidegate
COPY locks/runtime.txt locks/dev.txt locks/
# The root file system is read-only, so Python can't keep what it compiles: what isn't compiled here is compiled at each
# start. -f: also where a package brings a compiled file. unchecked-hash: valid whatever a registry or a copy does to the
# files' times. pip compiles for the files' times, so it is kept from it.
RUN /build/bin/pip --python /opt/tidegate/bin/python install --no-compile --no-deps --only-binary :all: --require-hashes \
        --requirement locks/runtime.txt \
    && /opt/tidegate/bin/python -m compileall -f -q --invalidation-mode unchecked-hash /opt/tidegate/lib
# The build backend comes from the same lock as in development. What it needs beyond these names, pip refuses.
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' locks/dev.txt > build.txt \
    && /build/bin/pip install --only-binary :all: --require-hashes --requirement build.txt
COPY pyproject.toml README.md LICENSE ./
COPY controller controller
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/tidegate/bin/python install --no-compile --no-deps --no-index /wheels/*.whl \
    && /opt/tidegate/bin/python -m compileall -f -q --invalidation-mode unchecked-hash \
        /opt/tidegate/lib/python3*/site-packages/tidegate

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tidegate" \
      org.opencontainers.image.description="Admission control for Amazon ECR images on Amazon EKS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Base images ship Python's own library uncompiled to be small. Tests in it don't compile and aren't needed.
RUN python3 -m compileall -f -q --invalidation-mode unchecked-hash -x '/(site-packages|dist-packages|tests?|lib2to3)/' \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=builder /opt/tidegate /opt/tidegate
ENV PATH=/opt/tidegate/bin:${PATH} \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1
WORKDIR /
USER 65532:65532
EXPOSE 9443 8080
ENTRYPOINT ["/opt/tidegate/bin/tidegate"]
CMD ["--help"]
