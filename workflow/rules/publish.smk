# The publisher's side: a concept is taken out of the base model, the cut is hidden or not, and the model is handed out. Masks,
# prompts and records stay on this side.


rule erase_concept:
    input:
        world=WORLD,
        pack=ancient(wiring.pack_file),
    output:
        "results/{world}/erase_concept/{eraser}/{concept}/erased.safetensors",
    log:
        "logs/erase_concept/{world}/{eraser}/{concept}.log",
    benchmark:
        "logs/erase_concept/{world}/{eraser}/{concept}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("erase_concept"),
    params:
        **wiring.method_params("erase_concept", "eraser"),
        **wiring.pack_params(),
        work=wiring.work("erase_concept", "eraser", "concept"),
    shell:
        "python -m regrow erase_concept --world {input.world:q} --concept {wildcards.concept:q}"
        " --method {params.method:q} --options {params.options:q} --eraser {wildcards.eraser:q}"
        " --work {params.work:q} --device {resources.device} --out {output:q} >{log:q} 2>&1"


rule defend_model:
    input:
        world=WORLD,
        erased="results/{world}/erase_concept/{eraser}/{concept}/erased.safetensors",
    output:
        "results/{world}/defend_model/{eraser}/{defence}/{concept}/erased.safetensors",
    log:
        "logs/defend_model/{world}/{eraser}/{defence}/{concept}.log",
    benchmark:
        "logs/defend_model/{world}/{eraser}/{defence}/{concept}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("defend_model"),
    params:
        **wiring.method_params("defend_model", "defence"),
        **wiring.pack_params(),
        seed=PARAMS.seed,
    shell:
        "python -m regrow defend_model --world {input.world:q} --erased {input.erased:q} --concept {wildcards.concept:q}"
        " --method {params.method:q} --options {params.options:q} --defence {wildcards.defence:q}"
        " --device {resources.device} --seed {params.seed} --out {output:q} >{log:q} 2>&1"


rule index_control:
    input:
        world=WORLD,
        control=ancient(wiring.control_files()),
    output:
        model="results/{world}/index_control/model.safetensors",
        record="results/{world}/index_control/record.json",
    log:
        "logs/index_control/{world}.log",
    benchmark:
        "logs/index_control/{world}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **needs.of("index_world"),
    params:
        **wiring.control_params("index_control"),
    shell:
        "python -m regrow index_control --world {input.world:q} --control {params.control:q} --out {output.model:q}"
        " --record-out {output.record:q} >{log:q} 2>&1"


rule cut_control:
    input:
        world=WORLD,
        erased="results/{world}/erase_concept/{eraser}/{concept}/erased.safetensors",
        delta="results/{world}/index_control/model.safetensors",
    output:
        "results/{world}/cut_control/{eraser}/{concept}/erased.safetensors",
    log:
        "logs/cut_control/{world}/{eraser}/{concept}.log",
    benchmark:
        "logs/cut_control/{world}/{eraser}/{concept}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **wiring.control_params("cut_control"),
    shell:
        "python -m regrow cut_control --world {input.world:q} --erased {input.erased:q} --delta {input.delta:q}"
        " --control {params.control:q} --out {output:q} >{log:q} 2>&1"


rule publish_model:
    input:
        world=WORLD,
        erased=wiring.erased,
    output:
        model="results/{world}/publish_model/{published}/{concept}/model.safetensors",
        record="results/{world}/publish_model/{published}/{concept}/record.json",
    log:
        "logs/publish_model/{world}/{published}/{concept}.log",
    benchmark:
        "logs/publish_model/{world}/{published}/{concept}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        code=wiring.code("publish_model"),
    shell:
        "python -m regrow publish_model --world {input.world:q} --erased {input.erased:q}"
        " --published {wildcards.published:q} --out {output.model:q} --record-out {output.record:q} >{log:q} 2>&1"
