import array
import errno
import socket


def send(channel, *descriptors):
    channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


sent = 0
why = None
print("contained", flush=True)
try:
    while sent < 20000:
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Each end waits in the queue of the other, and both are closed: only the kernel's collector finds them.
        send(left, left.fileno(), right.fileno())
        send(right, left.fileno(), right.fileno())
        left.close()
        right.close()
        sent += 4
except OSError as error:
    why = errno.errorcode[error.errno]
print(sent, "in flight, then", why)
