deep=$(printf 'd/%.0s' $(seq 1500))
mkdir -p "$deep" && touch "$deep/bottom"
(cd "$deep" && mkdir -p "$deep" && touch "$deep/bottom")
exec "$@"
