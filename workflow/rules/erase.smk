# The publisher's side: a concept is taken out of the base model. The mask stays on this side.


rule erase_concept:
    input:
        world=rules.get_world.output.world,
        concept=pack_file("concept.yaml"),
        code=method_code("erase_concept", "erase", "eraser"),
    output:
        model="results/erase_concept/{world}/{eraser}/{concept}/model.safetensors",
        mask="results/erase_concept/{world}/{eraser}/{concept}/mask.safetensors",
    log:
        "logs/erase_concept/{world}/{eraser}/{concept}.log",
    benchmark:
        "logs/erase_concept/{world}/{eraser}/{concept}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=GPU,
        device=config["device"],
        runtime=120,
    params:
        method=lambda wildcards: config["erase_concept"][wildcards.eraser]["method"],
        options=method_options("erase_concept", "eraser"),
    shell:
        """
        python -m regrow erase_concept \
            --world {input.world:q} \
            --concept {wildcards.concept:q} \
            --method {params.method:q} \
            --options {params.options:q} \
            --device {resources.device} \
            --mask-out {output.mask:q} \
            --out {output.model:q} \
            >{log:q} 2>&1
        """
