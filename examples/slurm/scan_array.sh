#!/bin/bash
# Hits of motifs, one shard of the sequences for each task of an array:
#
#   sbatch --array=1-32 examples/slurm/scan_array.sh hits motifs.meme genome.fa [MORE.fa ...]
#   bash examples/slurm/join_hits.sh hits > hits.tsv          # when all tasks have ended well
#
#SBATCH --job-name=bioconv-scan
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
set -euo pipefail

folder=$1 motifs=$2
shift 2

mkdir -p "$folder"
# Names that sort as the shards do, and say of how many they are.
number=$SLURM_ARRAY_TASK_COUNT
shard=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))
printf -v name '%s/shard-%05d-of-%05d.tsv' "$folder" "$shard" "$number"

# The output is written whole or not at all: a task that was killed leaves nothing, and can be queued again.
exec bioconv scan "$@" --motifs "$motifs" --stream --shard "$shard/$number" \
    --threads "${SLURM_CPUS_PER_TASK:-1}" --output "$name" ${BIOCONV_ARGS:-}
