# A genome of the length of phage lambda's and paired reads from it, the same at every run.
#
#   awk -v dir=DIR -v pairs=N -f simulate.awk      writes genome.fa, reads_1.fq and reads_2.fq
#
# Fragments are 200 to 400 bases, reads 100 with 1 % of wrong bases. The random numbers are our own
# (Park and Miller 1988, minimal standard), since those of awk differ between implementations.

function random(below) {
    state = (state * 16807) % 2147483647
    return state % below
}

function complement(sequence,    i, out) {
    out = ""
    for (i = length(sequence); i > 0; i--)
        out = out pair[substr(sequence, i, 1)]
    return out
}

# The sequence as a machine would read it: some bases wrong, quality low where they are.
function read_with_errors(sequence,    i, base) {
    read = ""; quality = ""
    for (i = 1; i <= length(sequence); i++) {
        base = substr(sequence, i, 1)
        if (random(100) == 0) {
            base = substr("ACGT", 1 + random(4), 1)
            quality = quality "#"
        } else {
            quality = quality "I"
        }
        read = read base
    }
}

function write_read(file, name, sequence) {
    read_with_errors(sequence)
    printf "@%s\n%s\n+\n%s\n", name, read, quality > file
}

BEGIN {
    state = 48502
    pair["A"] = "T"; pair["T"] = "A"; pair["C"] = "G"; pair["G"] = "C"
    genome_length = 48502; read_length = 100
    genome = ""
    for (i = 0; i < genome_length; i++)
        genome = genome substr("ACGT", 1 + random(4), 1)
    print ">simulated" > (dir "/genome.fa")
    for (i = 1; i <= genome_length; i += 70)
        print substr(genome, i, 70) > (dir "/genome.fa")
    for (n = 1; n <= pairs; n++) {
        size = 200 + random(201)
        start = 1 + random(genome_length - size + 1)
        left = substr(genome, start, read_length)
        right = complement(substr(genome, start + size - read_length, read_length))
        forward = random(2)
        write_read(dir "/reads_1.fq", "pair" n "/1", forward ? left : right)
        write_read(dir "/reads_2.fq", "pair" n "/2", forward ? right : left)
    }
}
