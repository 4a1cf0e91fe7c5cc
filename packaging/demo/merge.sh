#!/bin/sh
#GO --name merge --tag lambda
#GO --image godocker/bowtie2:1 --pull never --cpu 0.75 --mem 512M --time 10m
#GO -v demo
# Merges the aligned chunks and sums up. Prints samtools' own figures: `flagstat` counts reads,
# `coverage` has one line for each reference sequence.
set -eu
cd /data
samtools merge -f -o all.bam aligned/chunk*.bam
samtools index all.bam
samtools flagstat -O tsv all.bam
samtools coverage all.bam
