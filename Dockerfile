# The image: the binary, its default modules and the certificates of public authorities, as a user without rights.
#
#   make image
#   docker run --rm -p 9115:9115 probe_exporter
#
# RUNTIME may be any image with glibc 2.36 or later and libstdc++, such as debian:bookworm-slim.

ARG BUILDER=rust:1.95-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build

# For BoringSSL. The base has a C++ compiler, make and git already; naming them serves smaller bases.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates cmake g++ git libclang-dev make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src

# Dependencies first, so that a change of our own code does not build them again. The packages in `crates` are needed to
# read the workspace, and change seldom.
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY crates crates
RUN mkdir -p benches src \
    && echo 'fn main() {}' > src/main.rs \
    && touch benches/probe.rs src/lib.rs \
    && cargo build --release --locked \
    && rm -rf src

# What `--version` and blackbox_exporter_build_info say.
ARG BRANCH=unknown
ARG REVISION=unknown
ENV PROBE_EXPORTER_BRANCH=${BRANCH} PROBE_EXPORTER_REVISION=${REVISION}

COPY config config
COPY src src
# Times in the past would let cargo take the empty crate above for this one.
RUN find src -exec touch {} + \
    && cargo build --release --locked \
    && ./target/release/probe_exporter --config.check --config.file=config/blackbox.yml


FROM ${RUNTIME}

ARG REVISION=unknown
ARG VERSION=unknown

LABEL org.opencontainers.image.title="probe_exporter" \
      org.opencontainers.image.description="Prometheus exporter that probes over HTTP, TCP, DNS and ICMP; a drop-in replacement for blackbox_exporter" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/probe_exporter /bin/probe_exporter
COPY config/blackbox.yml /etc/blackbox_exporter/config.yml
COPY LICENSE /LICENSE

# No capability on the file: where its set is bounded, the system would refuse to start it. Pings need the sysctl
# net.ipv4.ping_group_range, which Docker and containerd set, or CAP_NET_RAW.
USER 65532:65532

EXPOSE 9115
STOPSIGNAL SIGTERM
ENTRYPOINT ["/bin/probe_exporter"]
CMD ["--config.file=/etc/blackbox_exporter/config.yml"]
