# The world: a base model, fetched where it is not shipped and looked over once. Everything hangs on world.json, so judges, concept
# packs and prompts are no part of it: they are inputs of the rules that read them, and a new one leaves all other results alone.
# Every part of a world is fetched by a job of its own, where something asks for it.
from regrow.plan.fetching import FetchWiring

fetching = FetchWiring(wiring)


rule fetch_world:
    output:
        "results/{world}/fetch_world/{name}.json",
    log:
        "logs/fetch_world/{world}/{name}.log",
    benchmark:
        "logs/fetch_world/{world}/{name}.tsv"
    wildcard_constraints:
        world=one_of([AUDIT.source]),
        name=one_of(AUDIT.world.fetch),
    localrule: True  # nodes of a cluster may have no network
    conda:
        ENVIRONMENT
    params:
        **fetching.world_params(),
    shell:
        "python -m regrow fetch_world --world {params.world:q} --name {wildcards.world:q} --lock {params.lock:q}"
        " --out {output:q} >{log:q} 2>&1"


rule fetch_prompts:
    output:
        "results/{world}/fetch_prompts/{name}.csv",
    log:
        "logs/fetch_prompts/{world}/{name}.log",
    benchmark:
        "logs/fetch_prompts/{world}/{name}.tsv"
    wildcard_constraints:
        world=one_of([AUDIT.source]),
        name=one_of(AUDIT.world.fetch_prompts),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **fetching.prompts_params(),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m regrow fetch_prompts --origins {params.origins:q} --names {wildcards.name:q} --sets {params.sets:q}"
        " --folder {params.folder:q} --lock {params.lock:q} >{log:q} 2>&1"


rule index_world:
    input:
        ancient(wiring.pipeline_files()),
    output:
        WORLD,
    log:
        "logs/index_world/{world}.log",
    benchmark:
        "logs/index_world/{world}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **needs.of("index_world"),
    params:
        world=lambda _: wiring.world_argument(),
        pipeline=wiring.pipeline_digest(),
        code=wiring.code("index_world"),
    shell:
        "python -m regrow index_world --world {params.world:q} --out {output:q} >{log:q} 2>&1"
