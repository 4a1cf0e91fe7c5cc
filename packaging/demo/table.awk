# Makes one table of what the jobs printed: a line for each chunk, and one for the merged whole.
#
#   awk -f table.awk FILE…     FILE: what one job printed, named ORDER,LABEL,JOB,NODE
#
# `depth` is the mean number of reads over a base of the genome, `breadth` the part of its bases
# that at least one read covers. Nothing is added up here: each line is samtools' own count.

BEGIN {
    FS = "\t"
    print "chunk   job  node      reads  aligned      %  proper %  depth  breadth %"
}

FNR == 1 && NR > 1 { line() }
FNR == 1 { start(FILENAME) }

# samtools flagstat -O tsv
$3 == "primary"                   { reads = $1 }
$3 == "primary mapped"            { aligned = $1 }
$3 == "primary mapped %"          { percent = $1 }
$3 == "properly paired %"         { proper = $1 }

# samtools coverage: name, first, last, reads, covered bases, %, mean depth, and qualities
NF == 9 && $1 !~ /^#/ {
    size = $3 - $2 + 1
    genome += size; covered += $5; bases += $7 * size
}

END { line() }

function start(file,    parts) {
    sub(/.*\//, "", file)
    split(file, parts, ",")
    label = parts[2]; job = parts[3]; node = parts[4]
    reads = aligned = percent = proper = "?"
    genome = covered = bases = 0
}

function line() {
    printf "%-6s %4s  %-8s %6s  %7s  %5s  %8s  %5s  %9s\n", label, job, node, reads, aligned,
        bare(percent), bare(proper), over(bases, 1, "%.1f"), over(covered, 100, "%.2f")
}

function bare(text) {
    sub(/%$/, "", text)
    return text
}

# A figure per base of the genome, or a question mark where nothing is known of it.
function over(sum, times, format) {
    return genome ? sprintf(format, sum * times / genome) : "?"
}
