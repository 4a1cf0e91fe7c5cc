#!/bin/sh
#GO --tag lambda
#GO --image godocker/bowtie2:1 --pull never --cpu 1 --mem 512M --time 10m
#GO -v demo
# Aligns one chunk of paired reads and sorts the result by position.
set -eu
chunk=$1
cd /data
mkdir -p aligned
echo "chunk $chunk on $(hostname)"
bowtie2 --sensitive --threads 1 --rg-id "chunk$chunk" --rg SM:lambda -x index/genome \
    -1 "chunks/${chunk}_1.fq" -2 "chunks/${chunk}_2.fq" -S "/tmp/chunk$chunk.sam"
samtools sort -o "aligned/part$chunk.bam" "/tmp/chunk$chunk.sam"
# The name appears when the file is whole, so that a second attempt never meets half of one.
mv "aligned/part$chunk.bam" "aligned/$chunk.bam"
