# The proxy alone: one program, no shell, no package manager, not root.
#
#   docker build -t redshift-iam-proxy .
#   docker run -p 5439:5439 -v "$PWD/conf:/etc/redshift-iam-proxy:ro" redshift-iam-proxy
#
# The folder holds proxy.toml, with [listen] address = "0.0.0.0:5439" and a certificate ([listen.tls] cert and key), since
# the self-signed one is for loopback alone. `make image-check` tries all of this, without Docker too: keep to WORKDIR,
# COPY and RUN with relative paths in the first stage.

FROM rust:1-bookworm AS builder
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY certs/aws-roots.pem certs/
# A member of the workspace and a dependency of the tests: read, not built.
COPY sandbox sandbox
RUN cargo build --profile dist --locked -p redshift-iam-proxy

# The same Debian as above: C library, libgcc_s and CA certificates. Its user nonroot is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="redshift-iam-proxy" \
      org.opencontainers.image.description="PostgreSQL wire-protocol proxy that reaches Amazon Redshift with IAM credentials" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /src/target/dist/redshift-iam-proxy /usr/local/bin/redshift-iam-proxy
COPY --chmod=644 LICENSE /usr/share/doc/redshift-iam-proxy/LICENSE
ENV REDSHIFT_IAM_PROXY_CONFIG=/etc/redshift-iam-proxy/proxy.toml
USER nonroot
EXPOSE 5439
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["/usr/local/bin/redshift-iam-proxy", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/redshift-iam-proxy"]
