# The world: a base model with its judges, concept packs and prompts, told in one file.


rule get_world:
    input:
        # Everything hangs on world.json, so only what it is a digest of is an input. Judges, concept packs and prompts
        # are inputs of the rules that read them: a new one leaves all other results alone.
        pipeline=files_in(WORLD["pipeline"]),
        code=code_of("get_world"),
    output:
        world="results/get_world/{world}/world.json",
    log:
        "logs/get_world/{world}.log",
    benchmark:
        "logs/get_world/{world}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=0,
        runtime=60,
    params:
        pipeline=lambda wildcards: config["get_world"][wildcards.world]["pipeline"],
        judges=lambda wildcards: config["get_world"][wildcards.world]["judges"],
        concepts=lambda wildcards: config["get_world"][wildcards.world]["concepts"],
        preserved=lambda wildcards: config["get_world"][wildcards.world]["preserved"],
    shell:
        """
        python -m regrow get_world \
            --world {wildcards.world:q} \
            --pipeline {params.pipeline:q} \
            --judges {params.judges:q} \
            --concepts {params.concepts:q} \
            --preserved {params.preserved:q} \
            --out {output.world:q} \
            >{log:q} 2>&1
        """
