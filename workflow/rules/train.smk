# How the emoji world was made: one rule per model. Each goes on from its checkpoint after a kill. The results are copied to
# data/emoji by hand when they meet the bars of `world_report`, so no other rule depends on them. The last two rules measure
# what lies in data/emoji.
TRAINING = config.get("train_world") or {}


rule render_sprites:
    input:
        code=code_of("render_sprites"),
    output:
        sprites="results/render_sprites/sprites.parquet",
    log:
        "logs/render_sprites.log",
    benchmark:
        "logs/render_sprites.tsv"
    conda:
        "../../envs/sprites.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        gpu=0,
        runtime=10,
    shell:
        """
        python -m regrow render_sprites \
            --packages node_modules/@iconify-json \
            --out {output.sprites:q} \
            >{log:q} 2>&1
        """


rule train_autoencoder:
    input:
        sprites=TRAINING.get("sprites", []),
        code=code_of("train_autoencoder"),
    output:
        vae="results/train_autoencoder/vae/diffusion_pytorch_model.safetensors",
    log:
        "logs/train_autoencoder.log",
    benchmark:
        "logs/train_autoencoder.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 2  # a number, so that a cluster, which has no `workflow.cores`, gives them too
    resources:
        mem_mb=4000,
        gpu=0,
        runtime=180,
    params:
        schedule=json.dumps(TRAINING.get("autoencoder", {})),
        folder=subpath(output.vae, parent=True),
    shell:
        """
        python -m regrow train_autoencoder \
            --sprites {input.sprites:q} \
            --schedule {params.schedule:q} \
            --work results/train_autoencoder/work \
            --out {params.folder:q} \
            >{log:q} 2>&1
        """


rule train_text_encoder:
    input:
        code=code_of("train_text_encoder"),
    output:
        encoder="results/train_text_encoder/text/text_encoder/model.safetensors",
    log:
        "logs/train_text_encoder.log",
    benchmark:
        "logs/train_text_encoder.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=0,
        runtime=30,
    params:
        schedule=json.dumps(TRAINING.get("text_encoder", {})),
        folder=subpath(output.encoder, ancestor=2),
    shell:
        """
        python -m regrow train_text_encoder \
            --schedule {params.schedule:q} \
            --work results/train_text_encoder/work \
            --out {params.folder:q} \
            >{log:q} 2>&1
        """


rule train_denoiser:
    input:
        sprites=TRAINING.get("sprites", []),
        vae=rules.train_autoencoder.output.vae,
        encoder=rules.train_text_encoder.output.encoder,
        code=code_of("train_denoiser"),
    output:
        unet="results/train_denoiser/pipeline/unet/diffusion_pytorch_model.safetensors",
    log:
        "logs/train_denoiser.log",
    benchmark:
        "logs/train_denoiser.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 2  # a number, so that a cluster, which has no `workflow.cores`, gives them too
    resources:
        mem_mb=6000,
        gpu=0,
        runtime=360,
    params:
        schedule=json.dumps(TRAINING.get("denoiser", {})),
        pictures=TRAINING.get("pictures"),
        autoencoder=subpath(input.vae, parent=True),
        text=subpath(input.encoder, ancestor=2),
        folder=subpath(output.unet, ancestor=2),
    shell:
        """
        python -m regrow train_denoiser \
            --sprites {input.sprites:q} \
            --autoencoder {params.autoencoder:q} \
            --text {params.text:q} \
            --schedule {params.schedule:q} \
            --pictures {params.pictures} \
            --work results/train_denoiser/work \
            --out {params.folder:q} \
            >{log:q} 2>&1
        """


rule train_judge:
    input:
        sprites=TRAINING.get("sprites", []),
        # The style judge begins with the object judge's features.
        start=branch(
            lambda wildcards: wildcards.judge == "style",
            then="results/train_judge/judges/object/model.safetensors",
            otherwise=[],
        ),
        code=code_of("train_judge"),
    output:
        model="results/train_judge/judges/{judge}/model.safetensors",
    log:
        "logs/train_judge/{judge}.log",
    benchmark:
        "logs/train_judge/{judge}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
        runtime=120,
    params:
        schedule=lambda wildcards: json.dumps(TRAINING.get(wildcards.judge, {})),
        start=lambda wildcards, input: Path(input.start).parent if input.start else "",
        folder=subpath(output.model, parent=True),
    shell:
        """
        python -m regrow train_judge \
            --sprites {input.sprites:q} \
            --judge {wildcards.judge:q} \
            --schedule {params.schedule:q} \
            --start {params.start} \
            --work results/train_judge/work/{wildcards.judge} \
            --out {params.folder:q} \
            >{log:q} 2>&1
        """


rule world_report:
    input:
        world=rules.get_world.output.world,
        sprites=lambda wildcards: training("sprites"),
        judges=files_in(WORLD["judges"]),
        code=code_of("world_report"),
    output:
        report="results/world_report/{world}/report.json",
    log:
        "logs/world_report/{world}.log",
    benchmark:
        "logs/world_report/{world}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        gpu=GPU,
        device=config["device"],
        runtime=60,
    params:
        concepts=config["concepts"],
        n=lambda wildcards: training("report_n"),
        steps=config["generate_images"]["steps"],
        guidance=config["generate_images"]["guidance"],
    shell:
        """
        python -m regrow world_report \
            --world {input.world:q} \
            --sprites {input.sprites:q} \
            --concepts {params.concepts} \
            --n {params.n} \
            --steps {params.steps} \
            --guidance {params.guidance} \
            --device {resources.device} \
            --out {output.report:q} \
            >{log:q} 2>&1
        """


rule survey_concepts:
    input:
        world=rules.get_world.output.world,
        judge=files_in(f"{WORLD['judges']}/object"),
        concepts=lambda wildcards: [
            file for name in surveyed(wildcards) for file in files_in(f"{WORLD['concepts']}/{name}")
        ],
        preserved=WORLD["preserved"],
        code=lambda wildcards: code_of("survey_concepts", f"erase.{surveying(wildcards)['method']}"),
    output:
        trials="results/survey_concepts/{world}/{trials}.csv",
    log:
        "logs/survey_concepts/{world}/{trials}.log",
    benchmark:
        "logs/survey_concepts/{world}/{trials}.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        gpu=GPU,
        device=config["device"],
        runtime=480,
    params:
        concepts=lambda wildcards: surveyed(wildcards),
        method=lambda wildcards: surveying(wildcards)["method"],
        options=lambda wildcards: json.dumps({k: v for k, v in surveying(wildcards).items() if k != "method"}),
        values=lambda wildcards: json.dumps(training(wildcards.trials)["values"]),
        skip=config["generate_images"]["n"],
        n=lambda wildcards: training(wildcards.trials)["n"],
        steps=config["generate_images"]["steps"],
        guidance=config["generate_images"]["guidance"],
    shell:
        """
        python -m regrow survey_concepts \
            --world {input.world:q} \
            --concepts {params.concepts} \
            --method {params.method:q} \
            --options {params.options:q} \
            --sweep {params.values:q} \
            --skip {params.skip} \
            --n {params.n} \
            --steps {params.steps} \
            --guidance {params.guidance} \
            --device {resources.device} \
            --out {output.trials:q} \
            >{log:q} 2>&1
        """
