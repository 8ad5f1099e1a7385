mkdir -p left
echo plain > left/plain
ln -sfn /etc/shadow left/shadow
ln -sfn /proc/1/environ left/environ
ln -sfn /proc/1/mem left/memory
ln -sfn /etc/passwd left/absolute
ln -sfn ../../../../etc/passwd left/upwards
ln -sfn itself left/itself
ln -sfn /etc left/etc
exec "$@"
