#!/usr/bin/env bash
# Install what a Slurm cluster of one node needs where it is missing, and run the tests of this folder on one: make test-slurm.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/.venv/bin:$PATH:/usr/sbin" OMP_NUM_THREADS=1 REGROW_TEST_SLURM=1
if [ "$(id -u)" -ne 0 ]; then
    echo "test-slurm is skipped: only root can start munged, slurmctld and slurmd; run it in a container" >&2
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "test-slurm is skipped: it installs Slurm with apt-get, which this machine does not have" >&2
    exit 0
fi
# Before anything is installed, for a package may start its daemons.
python -m tests.slurm.cluster
missing=()
for program in slurmctld:slurm-wlm slurmd:slurm-wlm munged:munge; do
    command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
    apt-get update --quiet=2
    # RUNLEVEL=1: a package starts no daemon here.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
fi
python -c 'import snakemake_executor_plugin_slurm' 2>/dev/null ||
    python -m pip install --quiet --disable-pip-version-check --editable '.[slurm]'
exec python -m pytest tests/slurm
