# Images of every model under audit, each made once and scored by every judge. A job does both prompt sets of a concept, so
# that it loads its model once; the pretrained model's preserved images serve all concepts and are a job of their own.


rule generate_images:
    input:
        world=rules.get_world.output.world,
        concept=pack_file("concept.yaml"),
        prompts=prompts,
        model=audited_model,
        code=code_of("generate_images"),
    output:
        # `update`: the file stays, and the stage makes only the images that are not in it.
        images=update(
            collect(
                "results/generate_images/{{world}}/{{recipe}}/{{concept}}/{prompt_set}.parquet", prompt_set=PROMPT_SETS
            )
        ),
    log:
        "logs/generate_images/{world}/{recipe}/{concept}.log",
    benchmark:
        "logs/generate_images/{world}/{recipe}/{concept}.tsv"
    wildcard_constraints:
        recipe=one_of(name for name in config["recipes"] if name != PRETRAINED),
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
        recipe=lambda wildcards: wildcards.get("recipe", PRETRAINED),
        prompt_sets=lambda wildcards: wildcards.get("prompt_set", PROMPT_SETS),
        n=config["generate_images"]["n"],
        steps=config["generate_images"]["steps"],
        guidance=config["generate_images"]["guidance"],
    shell:
        """
        python -m regrow generate_images \
            --world {input.world:q} \
            --recipe {params.recipe:q} \
            --concept {wildcards.concept:q} \
            --prompt-sets {params.prompt_sets} \
            --model {input.model:q} \
            --n {params.n} \
            --steps {params.steps} \
            --guidance {params.guidance} \
            --batch {resources.batch} \
            --device {resources.device} \
            --outs {output.images:q} \
            >{log:q} 2>&1
        """


use rule generate_images as generate_pretrained_images with:
    output:
        images=update("results/generate_images/{world}/pretrained/{concept}/{prompt_set}.parquet"),
    log:
        "logs/generate_images/{world}/pretrained/{concept}_{prompt_set}.log",
    benchmark:
        "logs/generate_images/{world}/pretrained/{concept}_{prompt_set}.tsv"


rule score_images:
    input:
        world=rules.get_world.output.world,
        judges=files_in(WORLD["judges"]),
        concept=pack_file("concept.yaml"),
        images=rules.generate_images.output.images,
        code=code_of("score_images"),
    output:
        scores=collect(
            "results/score_images/{{world}}/{{recipe}}/{{concept}}/{prompt_set}.parquet", prompt_set=PROMPT_SETS
        ),
    log:
        "logs/score_images/{world}/{recipe}/{concept}.log",
    benchmark:
        "logs/score_images/{world}/{recipe}/{concept}.tsv"
    wildcard_constraints:
        recipe=one_of(name for name in config["recipes"] if name != PRETRAINED),
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
        recipe=lambda wildcards: wildcards.get("recipe", PRETRAINED),
        prompt_sets=lambda wildcards: wildcards.get("prompt_set", PROMPT_SETS),
        chain=lambda wildcards: chain_of(wildcards.get("recipe", PRETRAINED)),
    shell:
        """
        python -m regrow score_images \
            --world {input.world:q} \
            --images {input.images:q} \
            --recipe {params.recipe:q} \
            --concept {wildcards.concept:q} \
            --prompt-sets {params.prompt_sets} \
            --chain {params.chain:q} \
            --batch {resources.batch} \
            --device {resources.device} \
            --outs {output.scores:q} \
            >{log:q} 2>&1
        """


use rule score_images as score_pretrained_images with:
    input:
        world=rules.get_world.output.world,
        judges=files_in(WORLD["judges"]),
        concept=pack_file("concept.yaml"),
        images=rules.generate_pretrained_images.output.images,
        code=code_of("score_images"),
    output:
        scores="results/score_images/{world}/pretrained/{concept}/{prompt_set}.parquet",
    log:
        "logs/score_images/{world}/pretrained/{concept}_{prompt_set}.log",
    benchmark:
        "logs/score_images/{world}/pretrained/{concept}_{prompt_set}.tsv"
