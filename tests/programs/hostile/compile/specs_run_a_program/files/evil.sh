id >&2
echo x > /etc/passwd
echo x > /proc/1/mem
exit 1
