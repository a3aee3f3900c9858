# The server: locked packages and the wheel that `make dist` makes, no compiler, no development tools, a user without rights.
FROM python:3.11-slim AS packages
COPY requirements.lock /tmp/
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/requirements.lock
COPY dist/leadscore-*.whl /tmp/
RUN /venv/bin/pip install --no-cache-dir --no-index --no-deps /tmp/leadscore-*.whl
# For no processor in particular, and owned by root: a container starts without compiling, and cannot change its code.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && /venv/bin/leadscore compile

FROM python:3.11-slim
# LightGBM's threads.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --create-home leadscore && mkdir /data && chown leadscore /data
COPY --from=packages /venv /venv
COPY leadscore.toml /app/
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 OMP_WAIT_POLICY=PASSIVE MALLOC_ARENA_MAX=2
WORKDIR /app
USER leadscore
VOLUME /data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/live', timeout=5)"]
ENTRYPOINT ["leadscore"]
# Whoever runs it says by the environment who ends TLS in front of it, LEADSCORE_TRUSTED_PROXY=ADDRESS, or that nobody
# has to, LEADSCORE_PLAIN_HTTP=1: keys and passwords cross the network, so nothing is assumed, and it says so and ends.
CMD ["serve", "--var", "/data", "--host", "0.0.0.0"]
