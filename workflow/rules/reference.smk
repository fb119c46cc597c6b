# What judges of sets compare with: photographs are fetched once, and measured once per judge. Both are the world's own, so they lie
# beside what fetch_world brought and a rehearsal finds them there.
from regrow.plan.reference_wiring import ReferenceWiring

references = ReferenceWiring(wiring)


rule fetch_reference:
    input:
        prompts=references.prompts,
    output:
        "results/{world}/fetch_reference/{reference}/photographs.json",
    log:
        "logs/fetch_reference/{world}/{reference}.log",
    benchmark:
        "logs/fetch_reference/{world}/{reference}.tsv"
    wildcard_constraints:
        world=one_of([AUDIT.source]),
        reference=one_of(AUDIT.world.references),
    localrule: True  # nodes of a cluster may have no network
    conda:
        ENVIRONMENT
    params:
        **references.fetch_params(),
    shell:
        "python -m regrow fetch_reference --reference {params.reference:q} --name {wildcards.reference:q}"
        " --prompts {params.prompts:q} --out {output:q} >{log:q} 2>&1"


rule measure_reference:
    input:
        judge=ancient(references.judge_files),
        source=references.source,
    output:
        "results/{world}/measure_reference/{judge}/{reference}.safetensors",
    log:
        "logs/measure_reference/{world}/{judge}/{reference}.log",
    benchmark:
        "logs/measure_reference/{world}/{judge}/{reference}.tsv"
    wildcard_constraints:
        world=one_of([AUDIT.source]),
        reference=one_of(AUDIT.world.references),
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("measure_reference"),
        batch=PARAMS.score_images.batch,
    params:
        **references.measure_params(),
    shell:
        "python -m regrow measure_reference --judge {params.judge:q} --reference {params.reference:q}"
        " --name {wildcards.reference:q} --source {input.source:q} --lock {params.lock:q} --batch {resources.batch}"
        " --device {resources.device} --out {output:q} >{log:q} 2>&1"
