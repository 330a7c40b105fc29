process BIOCONV_SCAN {
    tag "${meta.id}"
    label 'process_medium'

    input:
    tuple val(meta), path(fasta)
    path motifs

    output:
    tuple val(meta), path("*.tsv.gz"), emit: hits
    path "versions.yml"              , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    bioconv scan ${fasta} \\
        --motifs ${motifs} \\
        --threads ${task.cpus} \\
        --output ${prefix}.tsv \\
        ${args}
    gzip -n ${prefix}.tsv

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        bioconv: \$(bioconv --version | sed 's/.* //')
    END_VERSIONS
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    echo | gzip -n > ${prefix}.tsv.gz

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        bioconv: \$(bioconv --version | sed 's/.* //')
    END_VERSIONS
    """
}
