mkdir -p many && seq -f 'many/%g' 20000 | xargs touch
exec "$@"
