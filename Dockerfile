# The gateway without simulators and tests. Build: docker build -t login-session-gateway .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY .ci/lock/runtime.txt .ci/lock/build.txt ./.ci/lock/
RUN python -m venv /opt/gateway \
 && /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r .ci/lock/runtime.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r .ci/lock/build.txt
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY config config
COPY fix_specs fix_specs
RUN /opt/build/bin/python -m hatchling build -t wheel -d /dist \
 && /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /dist/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/gateway gateway \
 && install -d -o gateway -m 0700 /var/lib/gateway/var
COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1
USER gateway
# Relative paths begin here: gateway.toml is read unasked, var/ holds the embedded store and its master key.
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway/var
EXPOSE 9878
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["gateway"]
CMD ["serve"]
