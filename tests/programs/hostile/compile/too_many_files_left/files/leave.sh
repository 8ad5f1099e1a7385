mkdir -p left
n=0
while [ $n -lt 12000 ]; do
    : > left/$n
    n=$((n + 1))
done
exec "$@"
