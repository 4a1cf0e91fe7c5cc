#!/bin/sh
#GO --tag lambda
#GO --image godocker/bowtie2:1 --pull never --cpu 0.25 --mem 256M --time 10m
#GO -v demo
# Aligns one chunk of paired reads, sorts the result by position, and says how much was aligned.
set -eu
chunk=$1
cd /data
mkdir -p aligned
# One line for each time that an attempt really began; the demo compares them with the job table.
echo "$GO_JOB_ID $GO_ATTEMPT" >>starts
# Short seeds with a mismatch find more reads, and take twice as long.
bowtie2 --very-sensitive -N 1 -L 16 --threads 1 --rg-id "chunk$chunk" --rg SM:lambda \
    -x index/genome -1 "chunks/${chunk}_1.fq" -2 "chunks/${chunk}_2.fq" -S "/tmp/chunk$chunk.sam"
samtools sort -o "aligned/part$chunk.bam" "/tmp/chunk$chunk.sam"
samtools flagstat -O tsv "aligned/part$chunk.bam"
samtools coverage "aligned/part$chunk.bam"
# The name appears when the file is whole, so that a second attempt never meets half of one.
mv "aligned/part$chunk.bam" "aligned/chunk$chunk.bam"
