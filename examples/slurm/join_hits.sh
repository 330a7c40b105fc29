#!/bin/bash
# The tables of all shards as one, to stdout: the head of the first, the rows of each. Refuses if a shard is missing.
#
#   bash join_hits.sh FOLDER > hits.tsv
set -euo pipefail

folder=$1
shards=("$folder"/shard-*-of-*.tsv)
number=$((10#$(basename "${shards[0]}" .tsv | sed 's/.*-of-//')))
if [ "${#shards[@]}" -ne "$number" ]; then
    echo "$folder holds ${#shards[@]} of $number shards; run the others first" >&2
    exit 1
fi
grep -v '^#' "${shards[0]}" | head -n 1
for shard in "${shards[@]}"; do
    grep -v '^#' "$shard" | tail -n +2
done
