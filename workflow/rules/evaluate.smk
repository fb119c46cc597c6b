# No attackers: these rules know the base model or the mask, and tell how far an attacker got and what helped. They read both
# sides of the wall, so nothing that attacks a model reads what they write.


rule apply_oracle:
    input:
        world=WORLD,
        model=MODEL,
        erased=wiring.erased,
    output:
        model="results/{world}/apply_oracle/{published}/{attack}/{concept}/model.safetensors",
        record="results/{world}/apply_oracle/{published}/{attack}/{concept}/record.json",
    log:
        "logs/apply_oracle/{world}/{published}/{attack}/{concept}.log",
    benchmark:
        "logs/apply_oracle/{world}/{published}/{attack}/{concept}.tsv"
    wildcard_constraints:
        attack=one_of(PARAMS.apply_oracle),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **wiring.method_params("apply_oracle", "attack"),
    shell:
        "python -m regrow apply_oracle --world {input.world:q} --model {input.model:q} --erased {input.erased:q}"
        " --oracle {wildcards.attack:q} --method {params.method:q} --options {params.options:q} --out {output.model:q}"
        " --record-out {output.record:q} >{log:q} 2>&1"


rule evaluate_recovery:
    input:
        world=WORLD,
        model=MODEL,
        completed="results/{world}/complete_weights/{published}/{completer}/{concept}/completed.safetensors",
    output:
        signs="results/{world}/evaluate_recovery/{published}/{completer}/{concept}/signs.parquet",
        alignment="results/{world}/evaluate_recovery/{published}/{completer}/{concept}/alignment.parquet",
        reliability="results/{world}/evaluate_recovery/{published}/{completer}/{concept}/reliability.parquet",
    log:
        "logs/evaluate_recovery/{world}/{published}/{completer}/{concept}.log",
    benchmark:
        "logs/evaluate_recovery/{world}/{published}/{completer}/{concept}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **needs.of("evaluate_recovery"),
    params:
        **PARAMS.evaluate_recovery.model_dump(),
        code=wiring.code("evaluate_recovery"),
    shell:
        "python -m regrow evaluate_recovery --world {input.world:q} --model {input.model:q} --completed"
        " {input.completed:q} --published {wildcards.published:q} --completer {wildcards.completer:q} --concept"
        " {wildcards.concept:q} --k {params.k} --quantiles {params.quantiles} --bins {params.bins} --out-signs"
        " {output.signs:q} --out-alignment {output.alignment:q} --out-reliability {output.reliability:q} >{log:q} 2>&1"


rule ablate_mask_knowledge:
    input:
        world=WORLD,
        model=MODEL,
        erased=wiring.erased,
        completed=wiring.ladder_completed,
        other_erased=wiring.other_erased,
    output:
        "results/{world}/ablate_mask_knowledge/{published}/{completer}/{concept}/ladder.parquet",
    log:
        "logs/ablate_mask_knowledge/{world}/{published}/{completer}/{concept}.log",
    benchmark:
        "logs/ablate_mask_knowledge/{world}/{published}/{completer}/{concept}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **DEVICE,
        **needs.of("ablate_mask_knowledge"),
    params:
        **wiring.method_params("ablate_mask_knowledge", "completer", "complete_weights"),
        other_concept=PARAMS.ablate_mask_knowledge.other or "",
        threshold=PARAMS.ablate_mask_knowledge.threshold,
        seed=PARAMS.seed,
    shell:
        "python -m regrow ablate_mask_knowledge --world {input.world:q} --model {input.model:q} --erased {input.erased:q}"
        " --completed {input.completed:q} --other-erased {input.other_erased:q} --other-concept {params.other_concept:q}"
        " --concept {wildcards.concept:q} --published {wildcards.published:q} --completer {wildcards.completer:q}"
        " --method {params.method:q} --options {params.options:q} --threshold {params.threshold} --seed {params.seed}"
        " --device {resources.device} --jobs {threads} --out {output:q} >{log:q} 2>&1"


rule measure_spectrum:
    input:
        world=WORLD,
        model=MODEL,
        erased=wiring.erased,
    output:
        "results/{world}/measure_spectrum/{published}/{concept}/spectrum.parquet",
    log:
        "logs/measure_spectrum/{world}/{published}/{concept}.log",
    benchmark:
        "logs/measure_spectrum/{world}/{published}/{concept}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **needs.of("measure_spectrum"),
    params:
        copies=PARAMS.measure_spectrum.copies,
        seed=PARAMS.seed,
        code=wiring.code("measure_spectrum"),
    shell:
        "python -m regrow measure_spectrum --world {input.world:q} --model {input.model:q} --erased {input.erased:q}"
        " --concept {wildcards.concept:q} --published {wildcards.published:q} --copies {params.copies} --seed"
        " {params.seed} --out {output:q} >{log:q} 2>&1"


rule measure_detectability:
    input:
        world=WORLD,
        model=MODEL,
        erased=wiring.erased,
    output:
        detectors="results/{world}/measure_detectability/{published}/{concept}/detectors.parquet",
        premise="results/{world}/measure_detectability/{published}/{concept}/premise.parquet",
    log:
        "logs/measure_detectability/{world}/{published}/{concept}.log",
    benchmark:
        "logs/measure_detectability/{world}/{published}/{concept}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **needs.of("measure_detectability"),
    params:
        code=wiring.code("measure_detectability"),
    shell:
        "python -m regrow measure_detectability --world {input.world:q} --model {input.model:q} --erased {input.erased:q}"
        " --concept {wildcards.concept:q} --published {wildcards.published:q} --out-detectors {output.detectors:q}"
        " --out-premise {output.premise:q} >{log:q} 2>&1"


rule evaluate_inference:
    input:
        world=WORLD,
        model=MODEL,
        erased=wiring.erased,
        completed="results/{world}/complete_weights/{published}/{completer}/{concept}/completed.safetensors",
    output:
        "results/{world}/evaluate_inference/{published}/{completer}/{concept}/inference.parquet",
    log:
        "logs/evaluate_inference/{world}/{published}/{completer}/{concept}.log",
    benchmark:
        "logs/evaluate_inference/{world}/{published}/{completer}/{concept}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **needs.of("evaluate_inference"),
    params:
        code=wiring.code("evaluate_inference"),
    shell:
        "python -m regrow evaluate_inference --world {input.world:q} --model {input.model:q} --erased {input.erased:q}"
        " --completed {input.completed:q} --published {wildcards.published:q} --completer {wildcards.completer:q}"
        " --concept {wildcards.concept:q} --out {output:q} >{log:q} 2>&1"


rule rank_words:
    input:
        world=WORLD,
        model=MODEL,
        completed="results/{world}/complete_weights/{published}/{completer}/{concept}/completed.safetensors",
    output:
        "results/{world}/rank_words/{published}/{completer}/{concept}/words.parquet",
    log:
        "logs/rank_words/{world}/{published}/{completer}/{concept}.log",
    benchmark:
        "logs/rank_words/{world}/{published}/{completer}/{concept}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("rank_words"),
        batch=PARAMS.rank_words.batch,
    params:
        words=wiring.words,
        draws=PARAMS.rank_words.draws,
        seed=PARAMS.seed,
        code=wiring.code("rank_words"),
    shell:
        "python -m regrow rank_words --world {input.world:q} --model {input.model:q} --completed {input.completed:q}"
        " --published {wildcards.published:q} --completer {wildcards.completer:q} --concept {wildcards.concept:q}"
        " --words {params.words:q} --draws {params.draws} --batch {resources.batch} --seed {params.seed}"
        " --device {resources.device} --out {output:q} >{log:q} 2>&1"
