ln -sf /etc/passwd link
ln -sf / root
ln -sf link circle
ln -sf circle link2
mkfifo fifo 2>/dev/null
mkdir -p closed loop
ln -sf ../loop loop/loop
echo secret > unreadable
chmod 000 unreadable
ln main.c hard 2>/dev/null
exec "$@"
