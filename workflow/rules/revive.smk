# The attacker's side: complete_weights and revive_concept see the published model and nothing else.
# consult_oracle is no attacker: it reads the base model and the mask too and says so in its name.


rule complete_weights:
    input:
        model=rules.erase_concept.output.model,
        code=method_code("complete_weights", "complete", "completer"),
    output:
        completed="results/complete_weights/{world}/{eraser}/{completer}/{concept}/completed.safetensors",
        trace="results/complete_weights/{world}/{eraser}/{completer}/{concept}/trace.parquet",
    log:
        "logs/complete_weights/{world}/{eraser}/{completer}/{concept}.log",
    benchmark:
        "logs/complete_weights/{world}/{eraser}/{completer}/{concept}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        gpu=GPU,
        device=config["device"],
        runtime=120,
    params:
        method=lambda wildcards: config["complete_weights"][wildcards.completer]["method"],
        options=method_options("complete_weights", "completer"),
        seed=config["seed"],
    shell:
        """
        python -m regrow complete_weights \
            --model {input.model:q} \
            --method {params.method:q} \
            --options {params.options:q} \
            --seed {params.seed} \
            --device {resources.device} \
            --jobs {threads} \
            --trace-out {output.trace:q} \
            --out {output.completed:q} \
            >{log:q} 2>&1
        """


rule revive_concept:
    input:
        model=rules.erase_concept.output.model,
        completed=completed_weights,
        code=method_code("revive_concept", "revive", "reviver"),
    output:
        model="results/revive_concept/{world}/{eraser}/{reviver}/{concept}/model.safetensors",
    log:
        "logs/revive_concept/{world}/{eraser}/{reviver}/{concept}.log",
    benchmark:
        "logs/revive_concept/{world}/{eraser}/{reviver}/{concept}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
        runtime=60,
    params:
        method=lambda wildcards: config["revive_concept"][wildcards.reviver]["method"],
        options=method_options("revive_concept", "reviver"),
    shell:
        """
        python -m regrow revive_concept \
            --model {input.model:q} \
            --completed {input.completed:q} \
            --method {params.method:q} \
            --options {params.options:q} \
            --out {output.model:q} \
            >{log:q} 2>&1
        """


rule consult_oracle:
    input:
        world=rules.get_world.output.world,
        model=rules.erase_concept.output.model,
        mask=rules.erase_concept.output.mask,
        code=code_of("consult_oracle"),
    output:
        model="results/consult_oracle/{world}/{eraser}/{oracle}/{concept}/model.safetensors",
    log:
        "logs/consult_oracle/{world}/{eraser}/{oracle}/{concept}.log",
    benchmark:
        "logs/consult_oracle/{world}/{eraser}/{oracle}/{concept}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
        runtime=60,
    params:
        options=method_options("consult_oracle", "oracle"),
    shell:
        """
        python -m regrow consult_oracle \
            --world {input.world:q} \
            --model {input.model:q} \
            --mask {input.mask:q} \
            --options {params.options:q} \
            --out {output.model:q} \
            >{log:q} 2>&1
        """
