# Images of every model under audit, each made once and scored by every judge.


rule generate_images:
    input:
        world=ancient(str(rules.get_world.output.world)),
        pipeline=files_in(WORLD["pipeline"]),
        concept=pack_file("concept.yaml"),
        prompts=prompts,
        model=audited_model,
        code=code_of("generate_images"),
    output:
        # `update`: the file stays, and the stage makes only the images that are not in it.
        images=update("results/generate_images/{world}/{recipe}/{concept}/{prompt_set}.parquet"),
    log:
        "logs/generate_images/{world}/{recipe}/{concept}/{prompt_set}.log",
    benchmark:
        "logs/generate_images/{world}/{recipe}/{concept}/{prompt_set}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=GPU,
        device=config["device"],
        batch=config["generate_images"]["batch"],
        runtime=240,
    params:
        n=config["generate_images"]["n"],
        steps=config["generate_images"]["steps"],
        guidance=config["generate_images"]["guidance"],
    shell:
        """
        python -m regrow generate_images \
            --world {input.world:q} \
            --recipe {wildcards.recipe:q} \
            --concept {wildcards.concept:q} \
            --prompt-set {wildcards.prompt_set:q} \
            --model {input.model:q} \
            --n {params.n} \
            --steps {params.steps} \
            --guidance {params.guidance} \
            --batch {resources.batch} \
            --device {resources.device} \
            --out {output.images:q} \
            >{log:q} 2>&1
        """


rule score_images:
    input:
        world=ancient(str(rules.get_world.output.world)),
        judges=files_in(WORLD["judges"]),
        concept=pack_file("concept.yaml"),
        images=rules.generate_images.output.images,
        code=code_of("score_images"),
    output:
        scores="results/score_images/{world}/{recipe}/{concept}/{prompt_set}.parquet",
    log:
        "logs/score_images/{world}/{recipe}/{concept}/{prompt_set}.log",
    benchmark:
        "logs/score_images/{world}/{recipe}/{concept}/{prompt_set}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=GPU,
        device=config["device"],
        batch=config["score_images"]["batch"],
        runtime=120,
    params:
        chain=lambda wildcards: chain_of(wildcards.recipe),
    shell:
        """
        python -m regrow score_images \
            --world {input.world:q} \
            --images {input.images:q} \
            --recipe {wildcards.recipe:q} \
            --concept {wildcards.concept:q} \
            --prompt-set {wildcards.prompt_set:q} \
            --chain {params.chain:q} \
            --batch {resources.batch} \
            --device {resources.device} \
            --out {output.scores:q} \
            >{log:q} 2>&1
        """
