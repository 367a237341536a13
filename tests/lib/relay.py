"""The relay seen from inside: what it counts.

    before = counter(farm, "calls_total")
    assert counter(farm, 'disconnects_total{code="4403"}') == 1
"""
import socket


def metrics(farm, path="/metrics", surface="whatsapp"):
    """The text that the relay answers on its socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(farm.run / f"ws/{surface}.sock"))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return answer.partition(b"\r\n\r\n")[2].decode()


def counter(farm, name):
    """A number by its name after rookery_relay_, labels included; 0 when it was never counted."""
    for line in metrics(farm).splitlines():
        if line.startswith(f"rookery_relay_{name} "):
            return float(line.rpartition(" ")[2])
    return 0
