# From scores to what a person reads: a job per table and per figure, so that an edit of one makes one again.


rule make_table:
    input:
        wiring.table_inputs,
        reported=ancient(wiring.reported),
    output:
        report("results/audits/{audit}/tables/{table}.csv", category="Tables", labels={"table": "{table}"}),
    log:
        "logs/make_table/{audit}/{table}.log",
    benchmark:
        "logs/make_table/{audit}/{table}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **wiring.table_params("make_table"),
    shell:
        "python -m regrow make_table --table {wildcards.table:q} --out {output:q} >{log:q} 2>&1"


rule make_figure:
    input:
        wiring.figure_inputs,
    output:
        png=report("results/audits/{audit}/figures/{table}.png", category="Figures", labels={"figure": "{table}"}),
        pdf="results/audits/{audit}/figures/{table}.pdf",
    log:
        "logs/make_figure/{audit}/{table}.log",
    benchmark:
        "logs/make_figure/{audit}/{table}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **wiring.table_params("make_figure"),
        **PARAMS.make_figure.model_dump(),
    shell:
        "python -m regrow make_figure --table {wildcards.table:q} --out {output.png:q} --out-pdf {output.pdf:q}"
        " >{log:q} 2>&1"


rule make_metrics:
    input:
        plan.tables_of(AUDIT),
    output:
        "results/audits/{audit}/metrics.json",
    log:
        "logs/make_metrics/{audit}.log",
    benchmark:
        "logs/make_metrics/{audit}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **wiring.page_params("make_metrics"),
    shell:
        "python -m regrow make_metrics --out {output:q} >{log:q} 2>&1"


rule make_report:
    input:
        plan.tables_of(AUDIT),
        plan.figures_of(AUDIT),
        metrics="results/audits/{audit}/metrics.json",
    output:
        report("results/audits/{audit}/report.html", category="Report"),
    log:
        "logs/make_report/{audit}.log",
    benchmark:
        "logs/make_report/{audit}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        **wiring.page_params("make_report"),
    shell:
        "python -m regrow make_report --out {output:q} >{log:q} 2>&1"
