# The checked config, the plan of the audit, and what all rules share; no rules and no policy.
import atexit
import re

from snakemake.exceptions import WorkflowError

from regrow.config.layers import VARIABLE, resolve
from regrow.errors import UserError
from regrow.plan import jobs as plan
from regrow.plan import refusals, renderer_lock
from regrow.plan.audit import Audit
from regrow.plan.downloads import fetched_of
from regrow.plan.preview import before_a_run
from regrow.plan.products import products_of
from regrow.plan.resources import JobResources
from regrow.plan.wiring import Wiring

OVERLAYS = [Path(path) for path in workflow.overwrite_configfiles]
BASE = [Path(path) for path in workflow.configfiles if Path(path) not in OVERLAYS]
try:
    AUDIT = Audit(resolve(config, BASE, OVERLAYS, workflow.config_settings.config))
    wiring = Wiring(AUDIT)
    needs = JobResources(AUDIT, wiring.job)
    atexit.register(wiring.save)  # digests are asked for until the last job is planned
    renderer_lock.check_lock()
    # A job's own process sees results before Snakemake keeps a record of them, and `regrow adopt` makes that record.
    if workflow.is_main_process and refusals.ADOPTING not in os.environ:
        refusals.refuse_first_edition(AUDIT)
        refusals.refuse_unknown_results(AUDIT)
except UserError as error:
    raise WorkflowError(str(error)) from None

# How `make_table`, `make_figure`, `make_metrics` and `make_report` know the audit, on a cluster too.
os.environ[VARIABLE] = AUDIT.config.to_json()
PARAMS, ENVIRONMENT = AUDIT.params, "../../envs/regrow.yaml"
NUDITY_ENVIRONMENT = "../../envs/regrow_nudity.yaml"  # with NudeNet, whose licence not everybody wants
# Device and batch change no result, so rules take them as resources: a changed param would make everything again.
DEVICE = {"device": PARAMS.device, "gpu": int(PARAMS.device != "cpu")}
WORLD = "results/{world}/index_world/world.json"


def one_of(names):
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    world=one_of([AUDIT.world_name]),
    audit=one_of([AUDIT.name]),
    concept=one_of(plan.concepts_of(AUDIT)),
    eraser=one_of(PARAMS.erase_concept),
    defence=one_of(PARAMS.defend_model),
    published=one_of(PARAMS.publish_model),
    completer=one_of(PARAMS.complete_weights),
    prompt_set=one_of(AUDIT.counts),
    judge=one_of(AUDIT.world.judges),
    group=one_of([plan.SHARED_GROUP, *AUDIT.concepts]),
    part=r"\d+",
    table=one_of(AUDIT.tables),


def cost_of_jobs(needed):
    """Say what each table costs from the beginning, and what this run costs."""
    return before_a_run(AUDIT, [Path(job.output[0]) for job in needed if job.output])
