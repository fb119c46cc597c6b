# From scores to what a person reads: tables, figures, one page.


rule make_tables:
    input:
        scores=list(cells("score_images", *PROMPT_SETS)),
        both_sides=both_sides(),
        revived=revived_models(),
        code=code_of("make_tables"),
    output:
        table1=report(
            "results/paper/tables/table1.csv",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "1: erased and preserved accuracy"},
        ),
        table5=report(
            "results/paper/tables/table5.csv",
            caption="../report/table5.rst",
            category="Tables",
            labels={"table": "5: alignment of magnitudes"},
        ),
        table6=report(
            "results/paper/tables/table6.csv",
            caption="../report/table6.rst",
            category="Tables",
            labels={"table": "6: sign accuracy"},
        ),
        signs="results/paper/tables/signs.csv",
        alignment="results/paper/tables/alignment.csv",
        reliability=report(
            "results/paper/tables/reliability.csv",
            caption="../report/reliability.rst",
            category="Tables",
            labels={"table": "reliability: predicted and observed sign accuracy"},
        ),
        ladder=report(
            "results/paper/tables/ladder.csv",
            caption="../report/ladder.rst",
            category="Tables",
            labels={"table": "ladder: sign accuracy by what is known of the mask"},
        ),
        spectrum=report(
            "results/paper/tables/spectrum.csv",
            caption="../report/spectrum.rst",
            category="Tables",
            labels={"table": "spectrum: structure of each layer"},
        ),
        keep="results/paper/tables/keep.csv",
        metrics="results/paper/metrics.json",
    log:
        "logs/make_tables.log",
    benchmark:
        "logs/make_tables.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=0,
        runtime=30,
    params:
        labels=json.dumps(labels()),
        n=config["generate_images"]["n"],
        confidence=config["make_tables"]["confidence"],
        out_dir=subpath(output.table1, parent=True),
    shell:
        """
        python -m regrow make_tables \
            --scores {input.scores:q} \
            --both-sides {input.both_sides:q} \
            --revived {input.revived:q} \
            --labels {params.labels:q} \
            --n {params.n} \
            --confidence {params.confidence} \
            --out-dir {params.out_dir:q} \
            --metrics-file {output.metrics:q} \
            >{log:q} 2>&1
        """


rule make_figures:
    input:
        images=list(cells("generate_images", "erased")),
        scores=list(cells("score_images", "erased")),
        spectra=[path for path in both_sides() if path.endswith("spectrum.parquet")],
        table1=rules.make_tables.output.table1,
        tables=rules.make_tables.output,
        published=files_in(in_repository("data/published")),
        code=code_of("make_figures"),
    output:
        grid=report(
            "results/paper/figures/grid.png",
            caption="../report/grid.rst",
            category="Figures",
            labels={"figure": "Images of every recipe"},
        ),
        bars=report(
            "results/paper/figures/bars.png",
            caption="../report/bars.rst",
            category="Figures",
            labels={"figure": "Accuracy with intervals"},
        ),
        signs=report(
            "results/paper/figures/signs.png",
            caption="../report/signs.rst",
            category="Figures",
            labels={"figure": "Sign accuracy"},
        ),
        layers=report(
            "results/paper/figures/layers.png",
            caption="../report/layers.rst",
            category="Figures",
            labels={"figure": "Sign accuracy by layer"},
        ),
        alignment=report(
            "results/paper/figures/alignment.png",
            caption="../report/alignment.rst",
            category="Figures",
            labels={"figure": "Alignment of magnitudes"},
        ),
        reliability=report(
            "results/paper/figures/reliability.png",
            caption="../report/reliability_figure.rst",
            category="Figures",
            labels={"figure": "Predicted and observed sign accuracy"},
        ),
        ladder=report(
            "results/paper/figures/ladder.png",
            caption="../report/ladder_figure.rst",
            category="Figures",
            labels={"figure": "What knowing the mask is worth"},
        ),
        spectrum=report(
            "results/paper/figures/spectrum.png",
            caption="../report/spectrum_figure.rst",
            category="Figures",
            labels={"figure": "Singular values of each layer"},
        ),
        concepts=collect("results/paper/figures/concept_{concept}.png", concept=config["concepts"]),
        # Fig. 2 of the paper; a run without oracles has none.
        oracles=(
            [
                report(
                    "results/paper/figures/oracles.png",
                    caption="../report/oracles.rst",
                    category="Figures",
                    labels={"figure": "True signs and true magnitudes"},
                )
            ]
            if any("oracle" in recipe for recipe in config["recipes"].values())
            else []
        ),
    log:
        "logs/make_figures.log",
    benchmark:
        "logs/make_figures.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=0,
        runtime=30,
    params:
        **config["make_figures"],
        labels=json.dumps(labels()),
        confidence=config["make_tables"]["confidence"],
        tables=subpath(input.table1, parent=True),
        published=lambda wildcards, input: os.path.dirname(input.published[0]),
        out_dir=subpath(output.grid, parent=True),
    shell:
        """
        python -m regrow make_figures \
            --images {input.images:q} \
            --scores {input.scores:q} \
            --spectra {input.spectra:q} \
            --tables {params.tables:q} \
            --published {params.published:q} \
            --labels {params.labels:q} \
            --columns {params.columns} \
            --confidence {params.confidence} \
            --dpi {params.dpi} \
            --out-dir {params.out_dir:q} \
            >{log:q} 2>&1
        """


rule make_report:
    input:
        world=collect(rules.get_world.output.world, world=config["world"]),
        scores=list(cells("score_images", *PROMPT_SETS)),
        table1=rules.make_tables.output.table1,
        tables=rules.make_tables.output,
        grid=rules.make_figures.output.grid,
        figures=rules.make_figures.output,
        published=files_in(in_repository("data/published")),
        template=in_repository("workflow/report/report.html.j2"),
        code=code_of("make_report"),
    output:
        report=report("results/report.html", caption="../report/report.rst", category="Report"),
    log:
        "logs/make_report.log",
    benchmark:
        "logs/make_report.tsv"
    conda:
        "../../envs/regrow.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=0,
        runtime=30,
    params:
        **config["make_report"],
        params=json.dumps(config),
        labels=json.dumps(labels()),
        n=config["generate_images"]["n"],
        confidence=config["make_tables"]["confidence"],
        tables=subpath(input.table1, parent=True),
        figures=subpath(input.grid, parent=True),
        published=lambda wildcards, input: os.path.dirname(input.published[0]),
    shell:
        """
        python -m regrow make_report \
            --world {input.world:q} \
            --scores {input.scores:q} \
            --tables {params.tables:q} \
            --figures {params.figures:q} \
            --published {params.published:q} \
            --template {input.template:q} \
            --params {params.params:q} \
            --labels {params.labels:q} \
            --n {params.n} \
            --confidence {params.confidence} \
            --title {params.title:q} \
            --out {output.report:q} \
            >{log:q} 2>&1
        """
