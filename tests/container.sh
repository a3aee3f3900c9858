#!/bin/sh
# The Dockerfile's steps in a bare virtual environment: what is locked and the wheel are all that the server needs.
# usage: tests/container.sh FOLDER ARTIFACT     (FOLDER is made; the server must become ready and score)
set -eu
folder=$1 artifact=$2 here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$folder/data"
make --directory "$here" dist
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$here/requirements.lock"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-index --no-deps "$here"/dist/leadscore-*.whl
cp "$here/leadscore.toml" "$folder"
cd "$folder"
env -i PATH=/usr/bin:/bin NUMBA_CACHE_DIR="$folder/data/numba" "$folder/venv/bin/leadscore" serve \
    --var "$folder/data" --artifact "$artifact" --port 18080 --insecure-local 2> "$folder/server.log" &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 120); do
    sleep 1
    if curl --silent --fail http://127.0.0.1:18080/v2/health/ready > /dev/null; then
        curl --silent --fail --header 'Content-Type: application/json' --data '{}' http://127.0.0.1:18080/v1/score
        echo
        exit 0
    fi
done
cat "$folder/server.log"
exit 1
