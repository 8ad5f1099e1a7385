case "$1" in
*collect2 | */enclos/link) "$@"; rm -f main; mkdir main; touch main/file ;;
*) exec "$@" ;;
esac
