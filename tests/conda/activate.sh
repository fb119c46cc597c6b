# What `source activate ENVIRONMENT` of conda does for a job of Snakemake.
export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" CONDA_SHLVL=1 PATH="$1/bin:$PATH"
