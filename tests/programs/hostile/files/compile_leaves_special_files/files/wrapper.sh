mkdir -p left
echo plain > left/plain
mkfifo left/fifo a-fifo z-fifo 2> left/said
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("left/socket"))' 2>> left/said
exec "$@"
