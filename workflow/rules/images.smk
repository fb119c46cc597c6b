# Images of every model under audit. A job is a group of models (those of one concept), a prompt set and a range of its rows, and
# writes an index; the images themselves are in a store by content, which Snakemake does not know: a job draws what the store
# lacks. Likewise scores, a job per judge.
# Images of sensitive prompts that go to a detector are judged while they are drawn, and not kept: see judge_in_memory.
from regrow.plan.in_memory import InMemoryWiring

INDEX = "results/{world}/generate_images/{audit}/{prompt_set}/{group}/{part}.parquet"
in_memory = InMemoryWiring(wiring)


rule generate_images:
    input:
        wiring.job_inputs,
        world=WORLD,
        prompts=ancient(wiring.prompt_file),
    output:
        INDEX,
    log:
        "logs/generate_images/{world}/{audit}/{prompt_set}/{group}/{part}.log",
    benchmark:
        "logs/generate_images/{world}/{audit}/{prompt_set}/{group}/{part}.tsv"
    wildcard_constraints:
        prompt_set=one_of(in_memory.kept),
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("generate_images"),
        **wiring.drawing_resources(),
    params:
        **wiring.job_params(),
        store=subpath(output[0], ancestor=5),
    shell:
        "python -m regrow generate_images --world {input.world:q} --job {params.job:q} --store {params.store:q}/store"
        " --sampler {params.sampler:q} --numerics {params.numerics:q} --batch {resources.batch}"
        " --attention-slicing {resources.attention_slicing} --cpu-offload {resources.cpu_offload}"
        " --device {resources.device} --out {output:q} >{log:q} 2>&1"


rule judge_in_memory:
    input:
        wiring.job_inputs,
        world=WORLD,
        prompts=ancient(wiring.prompt_file),
        judges=ancient(in_memory.judge_files),
    output:
        INDEX,
    log:
        "logs/judge_in_memory/{world}/{audit}/{prompt_set}/{group}/{part}.log",
    benchmark:
        "logs/judge_in_memory/{world}/{audit}/{prompt_set}/{group}/{part}.tsv"
    wildcard_constraints:
        prompt_set=one_of(in_memory.prompt_sets),
    conda:
        NUDITY_ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("generate_images"),
        **wiring.drawing_resources(),
    params:
        **in_memory.params(),
        store=subpath(output[0], ancestor=5),
    shell:
        "python -m regrow judge_in_memory --world {input.world:q} --job {params.job:q} --judges {params.judges:q}"
        " --store {params.store:q}/store --sampler {params.sampler:q} --numerics {params.numerics:q}"
        " --batch {resources.batch} --attention-slicing {resources.attention_slicing}"
        " --cpu-offload {resources.cpu_offload} --device {resources.device} --out {output:q} >{log:q} 2>&1"


rule score_images:
    input:
        world=WORLD,
        index=INDEX,
        judge=ancient(wiring.judge_files),
    output:
        "results/{world}/score_images/{audit}/{judge}/{prompt_set}/{group}/{part}.parquet",
    log:
        "logs/score_images/{world}/{audit}/{judge}/{prompt_set}/{group}/{part}.log",
    benchmark:
        "logs/score_images/{world}/{audit}/{judge}/{prompt_set}/{group}/{part}.tsv"
    conda:
        in_memory.environment(ENVIRONMENT, NUDITY_ENVIRONMENT)
    resources:
        **DEVICE,
        **needs.of("score_images"),
        batch=PARAMS.score_images.batch,
    params:
        **wiring.judge_params("score_images"),
        store=subpath(output[0], ancestor=6),
    shell:
        "python -m regrow score_images --world {input.world:q} --index {input.index:q} --judge {params.judge:q}"
        " --name {wildcards.judge:q} --store {params.store:q}/store --batch {resources.batch}"
        " --device {resources.device} --out {output:q} >{log:q} 2>&1"


rule score_sets:
    input:
        world=WORLD,
        indexes=wiring.indexes,
        judge=ancient(wiring.judge_files),
        reference=wiring.judge_reference,
    output:
        "results/{world}/score_sets/{audit}/{judge}/{prompt_set}/{group}.parquet",
    log:
        "logs/score_sets/{world}/{audit}/{judge}/{prompt_set}/{group}.log",
    benchmark:
        "logs/score_sets/{world}/{audit}/{judge}/{prompt_set}/{group}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("score_sets"),
        batch=PARAMS.score_images.batch,
    params:
        **wiring.judge_params("score_sets"),
        store=subpath(output[0], ancestor=5),
    shell:
        "python -m regrow score_sets --world {input.world:q} --indexes {input.indexes:q} --judge {params.judge:q}"
        " --name {wildcards.judge:q} --store {params.store:q}/store --batch {resources.batch}"
        " --device {resources.device} --out {output:q} >{log:q} 2>&1"
