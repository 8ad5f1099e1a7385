chmod +x tools/collect2
exec "$@"
