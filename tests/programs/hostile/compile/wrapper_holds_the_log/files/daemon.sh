trap '' HUP TERM INT PIPE
# Only the log: the compiler itself waits for the end of the other stream.
setsid sh -c 'trap "" HUP TERM INT PIPE; while :; do sleep 1; done' > /dev/null &
exec "$@"
