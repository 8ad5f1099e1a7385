case "$1" in
*collect2 | */enclos/link) "$@"; rm -f main; mkfifo main; chmod 755 main ;;
*) exec "$@" ;;
esac
