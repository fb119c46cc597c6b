# The attacker's side: an attack on weights sees the published model, and what a completer made of it, and nothing else. One that
# runs the model also names the world, for a delta is nothing without its base, which it puts together before the attack begins.
MODEL = "results/{world}/publish_model/{published}/{concept}/model.safetensors"


rule complete_weights:
    input:
        model=MODEL,
        sibling=ancient(wiring.sibling),
    output:
        completed="results/{world}/complete_weights/{published}/{completer}/{concept}/completed.safetensors",
        trace="results/{world}/complete_weights/{published}/{completer}/{concept}/trace.parquet",
    log:
        "logs/complete_weights/{world}/{published}/{completer}/{concept}.log",
    benchmark:
        "logs/complete_weights/{world}/{published}/{completer}/{concept}.tsv"
    priority: 1  # images take one core for long, and this would wait for the other
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **DEVICE,
        **needs.of("complete_weights"),
    params:
        **wiring.method_params("complete_weights", "completer"),
        **wiring.mask_params(),
        **wiring.sibling_params(),
        seed=PARAMS.seed,
    shell:
        "python -m regrow complete_weights --model {input.model:q} --method {params.method:q} --options {params.options:q}"
        " --mask {params.mask:q} --sibling {params.sibling:q} --out {output.completed:q} --trace-out {output.trace:q}"
        " --seed {params.seed} --device {resources.device} --jobs {threads} >{log:q} 2>&1"


rule attack_weights:
    input:
        model=MODEL,
        completed=wiring.completed,
        sibling=ancient(wiring.sibling),
    output:
        model="results/{world}/attack_weights/{published}/{attack}/{concept}/model.safetensors",
        record="results/{world}/attack_weights/{published}/{attack}/{concept}/record.json",
    log:
        "logs/attack_weights/{world}/{published}/{attack}/{concept}.log",
    benchmark:
        "logs/attack_weights/{world}/{published}/{attack}/{concept}.tsv"
    wildcard_constraints:
        attack=one_of(PARAMS.attack_weights),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **wiring.method_params("attack_weights", "attack"),
        **wiring.completer_params(),
        **wiring.sibling_params(),
    shell:
        "python -m regrow attack_weights --model {input.model:q} --completed {input.completed:q}"
        " --attack {wildcards.attack:q} --method {params.method:q} --options {params.options:q}"
        " --completer {params.completer:q} --sibling {params.sibling:q} --out {output.model:q}"
        " --record-out {output.record:q} >{log:q} 2>&1"


rule attack_model:
    input:
        world=WORLD,
        model=MODEL,
        completed=wiring.completed,
        clip=ancient(wiring.attack_clip),
    output:
        model="results/{world}/attack_model/{published}/{attack}/{concept}/model.safetensors",
        record="results/{world}/attack_model/{published}/{attack}/{concept}/record.json",
    log:
        "logs/attack_model/{world}/{published}/{attack}/{concept}.log",
    benchmark:
        "logs/attack_model/{world}/{published}/{attack}/{concept}.tsv"
    wildcard_constraints:
        attack=one_of(PARAMS.attack_model),
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("attack_model"),
    params:
        **wiring.method_params("attack_model", "attack"),
        **wiring.completer_params(),
        **wiring.knowledge_params(),
        work=wiring.work("attack_model", "published", "attack", "concept"),
    shell:
        "python -m regrow attack_model --world {input.world:q} --model {input.model:q} --completed {input.completed:q}"
        " --clip {params.clip:q} --attack {wildcards.attack:q} --method {params.method:q} --options {params.options:q}"
        " --completer {params.completer:q} --word {params.word:q} --work {params.work:q} --device {resources.device}"
        " --out {output.model:q} --record-out {output.record:q} >{log:q} 2>&1"


rule attack_prompts:
    input:
        world=WORLD,
        model=MODEL,
        prompts=ancient(wiring.prompt_file),
    output:
        prompts="results/{world}/attack_prompts/{published}/{attack}/{concept}/{prompt_set}/prompts.csv",
        record="results/{world}/attack_prompts/{published}/{attack}/{concept}/{prompt_set}/record.json",
    log:
        "logs/attack_prompts/{world}/{published}/{attack}/{concept}/{prompt_set}.log",
    benchmark:
        "logs/attack_prompts/{world}/{published}/{attack}/{concept}/{prompt_set}.tsv"
    wildcard_constraints:
        attack=one_of(PARAMS.attack_prompts),
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
        **needs.of("attack_prompts"),
    params:
        **wiring.method_params("attack_prompts", "attack"),
        **wiring.prompt_attack_params(),
        word=wiring.word,
        work=wiring.work("attack_prompts", "published", "attack", "concept", "prompt_set"),
    shell:
        "python -m regrow attack_prompts --world {input.world:q} --model {input.model:q} --attack {wildcards.attack:q}"
        " --method {params.method:q} --options {params.options:q} --word {params.word:q}"
        " --prompt-set {params.prompt_set:q} --prompts {input.prompts:q} --label {params.label:q} --n {params.n}"
        " --work {params.work:q} --device {resources.device} --out {output.prompts:q} --record-out {output.record:q}"
        " >{log:q} 2>&1"
