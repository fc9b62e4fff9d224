# The image holds the binary and the C library it needs, nothing else: no shell,
# no package manager. It runs as a numbered user on a read-only root.

# distroless has no dated tags. To pin the base for good, build with
# --build-arg RUNTIME=gcr.io/distroless/cc-debian12@sha256:…
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
# The crypto library is the one in Cargo.lock, whatever the base image brings.
ENV AWS_LC_SYS_USE_SYSTEM=0
# The dependencies alone: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches \
    && echo 'fn main() {}' | tee src/main.rs >benches/hit_path.rs \
    && touch src/lib.rs \
    && cargo build --locked --release \
    && rm -r src
COPY openapi.yaml ./
COPY src src
# The stubs are younger than the sources that take their place.
RUN touch src/lib.rs src/main.rs && cargo build --locked --release

FROM ${RUNTIME}
LABEL org.opencontainers.image.title="d7-balance" \
    org.opencontainers.image.description="Holds a D7 Networks API token and answers an authenticated GET /balance from a cache" \
    org.opencontainers.image.licenses="MIT"
COPY --from=build /build/target/release/d7-balance /d7-balance
# Inside a container the loopback address reaches nobody. The admin listener
# stays on it: it has no authentication, and the health check asks it.
ENV D7B_SERVER_ADDR=0.0.0.0:8080
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["/d7-balance", "healthcheck"]
ENTRYPOINT ["/d7-balance"]
CMD ["serve"]
