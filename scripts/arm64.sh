#!/usr/bin/env bash
# An aarch64 Python with what the stages import, for QEMU's user mode: `bash scripts/arm64.sh FOLDER`, a minute, 900 MB.
#
# Packages of Debian 12 and wheels of requirements.lock are unpacked in FOLDER; nothing is installed, no root is needed.
# `python -m benchmarks.processors --arm64 FOLDER` runs the stages there, and tests/test_processors.py where ARM64=FOLDER.
#
# torch alone is an older version: the aarch64 wheel of the pinned one starts only where CUDA's libraries are.
set -euo pipefail
torch=2.7.1
debian="libc6 libgcc-s1 libstdc++6 libgomp1 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib zlib1g libexpat1
  libffi8 libssl3 libbz2-1.0 liblzma5 libuuid1 libsqlite3-0 libcrypt1 libdb5.3 libreadline8 libtinfo6 libncursesw6"
imported="annotated-types click cloudpickle filelock fsspec jinja2 joblib markdown-it-py markupsafe mdurl mpmath narwhals
  networkx numpy packaging psutil pyarrow pydantic pydantic-core pygments rich ruamel-yaml safetensors scikit-learn scipy
  sympy threadpoolctl tqdm typing-extensions typing-inspection"

if [ $# != 1 ]; then
  echo "usage: bash scripts/arm64.sh FOLDER" >&2
  exit 2
fi
lock=$(cd "$(dirname "$0")/.." && pwd)/requirements.lock
mkdir -p "$1"
cd "$1"
if [ -n "$(ls -A)" ]; then
  echo "$1: expected an empty folder or none" >&2
  exit 1
fi
mkdir -p work/lists/partial work/cache work/wheels root site

apt=(apt-get -qq -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oAPT::Sandbox::User="$(id -un)"
  -oDir::State::Lists="$PWD/work/lists" -oDir::Cache="$PWD/work/cache")
"${apt[@]}" update
(cd work && "${apt[@]}" download $debian)
for package in work/*.deb; do dpkg -x "$package" root; done

pins=("torch==$torch")
for name in $imported; do
  # In the lock a name may have _ or . for -, and a marker after ; for which systems its line is.
  pins+=("$(grep -iE "^${name//-/[-_.]}==" "$lock" | cut -d';' -f1)")
done
python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_26_aarch64 \
  --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --platform any --dest work/wheels "${pins[@]}"
for wheel in work/wheels/*.whl; do python3 -m zipfile -e "$wheel" site; done
rm -rf work
# Compiled natively: under QEMU the first start would take minutes longer.
if command -v python3.11 >/dev/null; then python3.11 -m compileall -q site root/usr/lib/python3.11 || true; fi
