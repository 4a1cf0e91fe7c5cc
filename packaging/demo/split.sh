#!/bin/sh
#GO --name split --tag lambda
#GO --image godocker/bowtie2:1 --pull never --cpu 0.75 --mem 512M --time 10m
#GO -v demo
# Cuts both files of reads into the given number of chunks of the same pairs: chunks/3_1.fq is the
# mate of chunks/3_2.fq.
set -eu
chunks=$1
cd /data
mkdir -p chunks
for mate in 1 2; do
    awk -v chunks="$chunks" -v mate="$mate" '
        { print > ("chunks/" (int((NR - 1) / 4) % chunks + 1) "_" mate ".fq") }
    ' "reads_$mate.fq"
done
wc -l chunks/*.fq
