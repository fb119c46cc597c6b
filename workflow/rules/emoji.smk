# How the emoji world was made: one rule per model. Each goes on from its checkpoint after a kill. The results are copied to
# data/emoji by hand when they meet the bars of report_world, so no other rule depends on them. The last two rules measure
# what lies in data/emoji.
from regrow.plan.training import TrainingWiring

training = TrainingWiring(wiring)


rule train_emoji:
    input:
        f"results/{AUDIT.world_name}/train_denoiser/base/unet/diffusion_pytorch_model.safetensors",
        expand(
            "results/{w}/train_judge/{j}/model.safetensors",
            w=AUDIT.world_name,
            j=["object", "style", "clip", "attack_clip"],
        ),


rule render_sprites:
    output:
        "results/{world}/render_sprites/sprites.parquet",
    log:
        "logs/render_sprites/{world}.log",
    benchmark:
        "logs/render_sprites/{world}.tsv"
    conda:
        ENVIRONMENT
    params:
        code=lambda wildcards: wiring.code("render_sprites"),
    shell:
        "python -m regrow render_sprites --packages node_modules/@iconify-json --out {output:q} >{log:q} 2>&1"


rule train_autoencoder:
    input:
        sprites=ancient(training.sprites),
    output:
        vae="results/{world}/train_autoencoder/vae/diffusion_pytorch_model.safetensors",
    log:
        "logs/train_autoencoder/{world}.log",
    benchmark:
        "logs/train_autoencoder/{world}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    params:
        **training.params("train_autoencoder", "autoencoder"),
        folder=subpath(output.vae, parent=True),
        work=subpath(output.vae, ancestor=2),
    shell:
        "python -m regrow train_autoencoder --sprites {input.sprites:q} --schedule {params.schedule:q}"
        " --work {params.work:q}/work --out {params.folder:q} >{log:q} 2>&1"


rule train_text_encoder:
    output:
        encoder="results/{world}/train_text_encoder/text/text_encoder/model.safetensors",
    log:
        "logs/train_text_encoder/{world}.log",
    benchmark:
        "logs/train_text_encoder/{world}.tsv"
    conda:
        ENVIRONMENT
    params:
        **training.params("train_text_encoder", "text_encoder"),
        folder=subpath(output.encoder, ancestor=2),
        work=subpath(output.encoder, ancestor=3),
    shell:
        "python -m regrow train_text_encoder --schedule {params.schedule:q} --work {params.work:q}/work"
        " --out {params.folder:q} >{log:q} 2>&1"


rule train_denoiser:
    input:
        sprites=ancient(training.sprites),
        vae=training.autoencoder,
        encoder=training.text_encoder,
        start=training.start,
    output:
        unet="results/{world}/train_denoiser/{denoiser}/unet/diffusion_pytorch_model.safetensors",
    log:
        "logs/train_denoiser/{world}/{denoiser}.log",
    benchmark:
        "logs/train_denoiser/{world}/{denoiser}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    params:
        **training.denoiser_params(),
        autoencoder=subpath(input.vae, parent=True),
        text=subpath(input.encoder, ancestor=2),
        folder=subpath(output.unet, ancestor=2),
        work=subpath(output.unet, ancestor=3),
    shell:
        "python -m regrow train_denoiser --sprites {input.sprites:q} --autoencoder {params.autoencoder:q}"
        " --text {params.text:q} --schedule {params.schedule:q} --pictures {params.pictures} --exclude {params.exclude:q}"
        " --start {params.start:q} --work {params.work:q}/work-{wildcards.denoiser:q} --out {params.folder:q}"
        " >{log:q} 2>&1"


rule train_judge:
    input:
        sprites=ancient(training.sprites),
        # The style judge begins with the object judge's features.
        start=lambda wildcards: (
            f"results/{wildcards.world}/train_judge/object/model.safetensors" if wildcards.judge == "style" else []
        ),
    output:
        model="results/{world}/train_judge/{judge}/model.safetensors",
    log:
        "logs/train_judge/{world}/{judge}.log",
    wildcard_constraints:
        judge="object|style|clip|attack_clip",
    conda:
        ENVIRONMENT
    params:
        **training.params("train_judge"),
        start=lambda wildcards, input: Path(input.start).parent if input.start else "",
        folder=subpath(output.model, parent=True),
        work=subpath(output.model, ancestor=2),
    shell:
        "python -m regrow train_judge --sprites {input.sprites:q} --judge {wildcards.judge:q} --start {params.start:q}"
        " --schedule {params.schedule:q} --work {params.work:q}/work-{wildcards.judge} --out {params.folder:q}"
        " >{log:q} 2>&1"


rule report_world:
    input:
        world=WORLD,
        sprites=ancient(training.sprites),
        judges=ancient(training.judge_files("object", "style")),
    output:
        "results/{world}/report_world/report.json",
    log:
        "logs/report_world/{world}.log",
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
    params:
        **training.report_params(),
    shell:
        "python -m regrow report_world --world {input.world:q} --object-judge {params.object_judge:q} --style-judge"
        " {params.style_judge:q} --sprites {input.sprites:q} --concepts {params.concepts:q} --n {params.n} --steps"
        " {params.steps} --guidance {params.guidance} --device {resources.device} --out {output:q} >{log:q} 2>&1"


rule survey_concepts:
    input:
        world=WORLD,
        packs=ancient(training.packs),
        others=ancient(training.others),
        judge=ancient(training.judge_files("object")),
    output:
        "results/{world}/survey_concepts/{trials}.csv",
    log:
        "logs/survey_concepts/{world}/{trials}.log",
    wildcard_constraints:
        trials="sweep|survey",
    conda:
        ENVIRONMENT
    resources:
        **DEVICE,
    params:
        **training.trial_params(),
        work=subpath(output[0], parent=True),
    shell:
        "python -m regrow survey_concepts --world {input.world:q} --judge {params.judge:q} --others {input.others:q}"
        " --concepts {params.concepts:q} --method {params.method:q} --options {params.options:q}"
        " --sweep {params.values:q} --skip {params.skip} --n {params.n} --steps {params.steps} --guidance"
        " {params.guidance} --device {resources.device} --work {params.work:q}/work --out {output:q} >{log:q} 2>&1"
