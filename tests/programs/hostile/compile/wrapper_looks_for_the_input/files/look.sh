cat >> found
exec "$@"
