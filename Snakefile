# The whole workflow. Parameters: params.yaml; rules: workflow/rules; science: the package workflow/regrow.
import os
import shlex
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


configfile: "params.yaml"


# How the package reaches a rule: by PYTHONPATH, also inside a conda environment, which holds third-party packages only
# (Snakemake takes PYTHONPATH out of the environment there, hence the prefix). Python itself is the one that runs Snakemake
# unless a conda environment is active, so `.venv/bin/snakemake` needs no activated environment.
PACKAGE_ROOT = Path(workflow.basedir).resolve() / "workflow"
sys.path.insert(0, str(PACKAGE_ROOT))
os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), os.getenv("PATH", "")]))
shell.prefix(f"export PYTHONPATH={shlex.quote(str(PACKAGE_ROOT))}; ")


for phase in ("common", "world", "train", "erase", "revive", "images", "analyses", "paper"):

    include: f"workflow/rules/{phase}.smk"


rule all:
    default_target: True
    input:
        rules.make_report.output,


rule world:
    input:
        rules.train_denoiser.output,
        collect(rules.train_judge.output, judge=["object", "style", "clip"]),


rule experiments:
    input:
        list(cells("score_images", *PROMPT_SETS)),
        both_sides(),


rule paper:
    input:
        rules.make_tables.output,
        rules.make_figures.output,
        rules.make_report.output,


onstart:
    print(expected_cost(workflow.dag.needrun_jobs()), end="")
