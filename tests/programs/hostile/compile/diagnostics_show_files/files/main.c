# 1 "/proc/1/environ"
#error an error in it
# 1 "/etc/shadow"
#error an error in it
# 1 "/dev/stdin"
#error an error in it
