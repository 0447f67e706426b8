# SPDX-License-Identifier: GPL-2.0-only
"""receive.py SOCKET: take a lease as an unprivileged launcher does, and open the function."""
import array
import fcntl
import resource
import signal
import socket
import struct
import sys

VFIO_SET_IOMMU = 0x3B66
VFIO_GROUP_SET_CONTAINER = 0x3B68
VFIO_GROUP_GET_DEVICE_FD = 0x3B6A
VFIO_TYPE1V2_IOMMU = 3

# Whatever the limit was, it is lower than what is asked for.
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(1)
connection = listener.accept()[0]
text, descriptors, _, _ = socket.recv_fds(connection, 64, 3)
lease, group, container = descriptors
address = text.decode().strip()
fcntl.ioctl(group, VFIO_GROUP_SET_CONTAINER, struct.pack("i", container))
fcntl.ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1V2_IOMMU)
name = array.array("B", address.encode() + b"\0" * 16)
device = fcntl.ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name, False)
print("open", address, resource.getrlimit(resource.RLIMIT_MEMLOCK)[0], flush=True)
signal.pause()
