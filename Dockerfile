# The server: locked packages, no compiler, no development tools, a user without rights.
FROM python:3.11-slim AS packages
COPY requirements.lock /tmp/
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/requirements.lock

FROM python:3.11-slim
# LightGBM's threads.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --create-home leadscore && mkdir /data && chown leadscore /data
COPY --from=packages /venv /venv
COPY leadscore.py console.py settings.py workspace.py leadscore.toml /app/
COPY commands /app/commands
COPY data /app/data
COPY features /app/features
COPY training /app/training
COPY serving /app/serving
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 OMP_WAIT_POLICY=PASSIVE NUMBA_CACHE_DIR=/data/numba MALLOC_ARENA_MAX=2
WORKDIR /app
USER leadscore
VOLUME /data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/live', timeout=5)"]
ENTRYPOINT ["python", "leadscore.py"]
CMD ["serve", "--var", "/data", "--host", "0.0.0.0"]
