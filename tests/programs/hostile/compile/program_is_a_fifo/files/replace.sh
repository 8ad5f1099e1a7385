case "$1" in
*collect2) "$@"; rm -f main; mkfifo main; chmod 755 main ;;
*) exec "$@" ;;
esac
