chmod +x tools/as
exec "$@"
