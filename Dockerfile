# The image: the static binary, its default modules and the certificates of public authorities, as a user without rights.
#
#   make image
#   docker run --rm -p 9115:9115 probe_exporter

ARG BUILDER=rust:1.95-bookworm

# On the platform of the builder: for another one, the compiler crosses, which is ten times as fast as emulation.
FROM --platform=${BUILDPLATFORM} ${BUILDER} AS build

# For BoringSSL, and for the file capability. The base has a C++ compiler, make and git already; naming them serves
# smaller bases.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates cmake g++ git libcap2-bin libclang-dev make \
    && rm -rf /var/lib/apt/lists/*
RUN cargo install --locked cargo-auditable --version 0.7.7
ENV STRICT=1

ARG TARGETARCH
RUN case "${TARGETARCH}" in \
        amd64) target=x86_64-unknown-linux-gnu compiler=g++-x86-64-linux-gnu ;; \
        arm64) target=aarch64-unknown-linux-gnu compiler=g++-aarch64-linux-gnu ;; \
        *) echo "unsupported architecture ${TARGETARCH}" >&2; exit 1 ;; \
    esac \
    && echo "$target" >/target \
    && if [ "$target" != "$(rustc --print host-tuple)" ]; then \
        rustup target add "$target" \
        && apt-get update \
        && apt-get install -y --no-install-recommends "$compiler" \
        && rm -rf /var/lib/apt/lists/*; \
    fi

WORKDIR /src

# Dependencies first, so that a change of our own code does not build them again. The packages in `crates` are needed to
# read the workspace, and change seldom.
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY .ci/release-binary .ci/
COPY crates crates
RUN mkdir -p benches src \
    && echo 'fn main() {}' > src/main.rs \
    && touch benches/probe.rs benches/history.rs src/lib.rs \
    && .ci/release-binary "$(cat /target)" \
    && rm -rf src

# What `--version` and blackbox_exporter_build_info say.
ARG BRANCH=unknown
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
ENV PROBE_EXPORTER_BRANCH=${BRANCH} PROBE_EXPORTER_REVISION=${REVISION} SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}

COPY config config
COPY src src
# Times in the past would let cargo take the empty crate above for this one.
#
# The capability is permitted only, and the exporter makes it effective if it needs it for ICMP. An effective one would
# prevent the start where the container lacks it.
RUN find src -exec touch {} + \
    && .ci/release-binary "$(cat /target)" \
    && install -D "target/release-binary/$(cat /target)/release/probe_exporter" /image/bin/probe_exporter \
    && setcap cap_net_raw=p /image/bin/probe_exporter \
    && ln -s probe_exporter /image/bin/blackbox_exporter


FROM scratch

ARG REVISION=unknown
ARG VERSION=unknown

LABEL org.opencontainers.image.title="probe_exporter" \
      org.opencontainers.image.description="Prometheus exporter that probes over HTTP, TCP, DNS and ICMP; a drop-in replacement for blackbox_exporter" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/bin /bin
COPY config/blackbox.yml /etc/blackbox_exporter/config.yml
COPY LICENSE /LICENSE

# Group 0, as OpenShift's arbitrary users have it.
USER 65532:0

EXPOSE 9115
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
    CMD ["/bin/probe_exporter", "probe", "--format=health", "http://127.0.0.1:9115/-/healthy"]
ENTRYPOINT ["/bin/probe_exporter"]
CMD ["--config.file=/etc/blackbox_exporter/config.yml"]
