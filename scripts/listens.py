"""Can this user listen at an address and port?  Exit status 0, or 1 and the system's reason on standard output.

    python3 scripts/listens.py 127.0.0.1 8080
"""
import socket
import sys

host, port = sys.argv[1].replace("*", "0.0.0.0"), int(sys.argv[2])
try:
    socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
except OSError as fault:
    print(fault.strerror.split(" (while ")[0])
    sys.exit(1)
