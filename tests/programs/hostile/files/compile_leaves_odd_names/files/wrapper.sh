mkdir -p odd
for name in "$(printf '\377\376')" "$(printf 'line\nline')" '%s%n' '-rf' "$(printf '\033[2J')" ' '; do
    echo kept > "odd/$name"
done
exec "$@"
