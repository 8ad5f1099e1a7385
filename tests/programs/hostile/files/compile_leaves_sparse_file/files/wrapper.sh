truncate -s 1G sparse
exec "$@"
