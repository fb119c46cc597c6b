# No attackers: these rules know the base model or the mask, and tell how far an attacker got and what helped. They read both
# sides of the wall, so nothing that revives a concept reads what they write.


rule compare_both_sides:
    input:
        world=rules.get_world.output.world,
        model=rules.erase_concept.output.model,
        completed=rules.complete_weights.output.completed,
        code=code_of("compare_both_sides"),
    output:
        signs="results/compare_both_sides/{world}/{eraser}/{completer}/{concept}/signs.parquet",
        alignment="results/compare_both_sides/{world}/{eraser}/{completer}/{concept}/alignment.parquet",
        reliability="results/compare_both_sides/{world}/{eraser}/{completer}/{concept}/reliability.parquet",
    log:
        "logs/compare_both_sides/{world}/{eraser}/{completer}/{concept}.log",
    benchmark:
        "logs/compare_both_sides/{world}/{eraser}/{completer}/{concept}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
        runtime=60,
    params:
        **config["compare_both_sides"],
    shell:
        """
        python -m regrow compare_both_sides \
            --world {input.world:q} \
            --model {input.model:q} \
            --completed {input.completed:q} \
            --concept {wildcards.concept:q} \
            --eraser {wildcards.eraser:q} \
            --completer {wildcards.completer:q} \
            --keeps {params.keeps} \
            --quantiles {params.quantiles} \
            --bins {params.bins} \
            --out-signs {output.signs:q} \
            --out-alignment {output.alignment:q} \
            --out-reliability {output.reliability:q} \
            >{log:q} 2>&1
        """


rule climb_ladder:
    input:
        world=rules.get_world.output.world,
        model=rules.erase_concept.output.model,
        mask=rules.erase_concept.output.mask,
        other_mask=other_mask,
        code=method_code("climb_ladder", "complete", "completer", "complete_weights"),
    output:
        ladder="results/climb_ladder/{world}/{eraser}/{completer}/{concept}/ladder.parquet",
    log:
        "logs/climb_ladder/{world}/{eraser}/{completer}/{concept}.log",
    benchmark:
        "logs/climb_ladder/{world}/{eraser}/{completer}/{concept}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        gpu=GPU,
        device=config["device"],
        runtime=240,
    params:
        other_concept=OTHER_CONCEPT,
        method=lambda wildcards: config["complete_weights"][wildcards.completer]["method"],
        options=method_options("complete_weights", "completer"),
        threshold=config["climb_ladder"]["threshold"],
        seed=config["seed"],
    shell:
        """
        python -m regrow climb_ladder \
            --world {input.world:q} \
            --model {input.model:q} \
            --mask {input.mask:q} \
            --other-mask {input.other_mask:q} \
            --other-concept {params.other_concept} \
            --concept {wildcards.concept:q} \
            --eraser {wildcards.eraser:q} \
            --completer {wildcards.completer:q} \
            --method {params.method:q} \
            --options {params.options:q} \
            --threshold {params.threshold} \
            --seed {params.seed} \
            --device {resources.device} \
            --jobs {threads} \
            --out {output.ladder:q} \
            >{log:q} 2>&1
        """


rule measure_spectrum:
    input:
        world=rules.get_world.output.world,
        model=rules.erase_concept.output.model,
        mask=rules.erase_concept.output.mask,
        code=code_of("measure_spectrum"),
    output:
        spectrum="results/measure_spectrum/{world}/{eraser}/{concept}/spectrum.parquet",
    log:
        "logs/measure_spectrum/{world}/{eraser}/{concept}.log",
    benchmark:
        "logs/measure_spectrum/{world}/{eraser}/{concept}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
        runtime=60,
    params:
        copies=config["measure_spectrum"]["copies"],
        seed=config["seed"],
    shell:
        """
        python -m regrow measure_spectrum \
            --world {input.world:q} \
            --model {input.model:q} \
            --mask {input.mask:q} \
            --concept {wildcards.concept:q} \
            --eraser {wildcards.eraser:q} \
            --copies {params.copies} \
            --seed {params.seed} \
            --out {output.spectrum:q} \
            >{log:q} 2>&1
        """
