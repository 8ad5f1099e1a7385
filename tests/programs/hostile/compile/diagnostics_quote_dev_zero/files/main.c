# 1 "/dev/zero"
#error an error in it
