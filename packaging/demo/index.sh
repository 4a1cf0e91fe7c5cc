#!/bin/sh
#GO --name index --tag lambda
#GO --image godocker/bowtie2:1 --pull never --cpu 0.75 --mem 512M --time 10m
#GO -v demo
# Builds the index that the aligner searches.
set -eu
cd /data
mkdir -p index
bowtie2-build --quiet genome.fa index/genome
ls -l index
