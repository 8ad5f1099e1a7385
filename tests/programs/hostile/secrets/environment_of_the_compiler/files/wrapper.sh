env > environment
tr '\0' '\n' < /proc/1/environ >> environment 2> said
exec "$@"
