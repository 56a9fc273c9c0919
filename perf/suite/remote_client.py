"""One connection to remote control that stays open, by TLS 1.3 with a client certificate, for remote.py: asks the same
question again and again, and prints how long each answer took.

Arguments: port, authority, certificate, key. Each line of standard input is a turn: when it begins (monotonic), how long
it lasts, and how many seconds lie between two requests; 0 asks as soon as the last one was answered. What a request took
counts from when it was due, so that one that is answered late makes those behind it late too. Each line of standard output is
the answers' milliseconds, as a JSON list; the first one says that the connection is there."""

import json
import socket
import ssl
import sys
import time

REQUEST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "service.list", "params": {}}).encode()
HEAD_END = b"\r\n\r\n"


def connect(port: int, authority: str, certificate: str, key: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def ask(connection: ssl.SSLSocket, question: bytes) -> None:
    """Raises where the answer is not a result of the method."""
    connection.sendall(question)
    answer = b""
    while HEAD_END not in answer:
        answer += _more(connection)
    head, _, body = answer.partition(HEAD_END)
    status, *fields = head.lower().split(b"\r\n")
    size = next(int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-length:"))
    while len(body) < size:
        body += _more(connection)
    if b" 200 " not in status or b'"result"' not in body:
        raise RuntimeError(f"answered {status!r}: {body[:200]!r}")


def _more(connection: ssl.SSLSocket) -> bytes:
    piece = connection.recv(1 << 16)
    if not piece:
        raise RuntimeError("the connection was closed")
    return piece


def main() -> None:
    port, *files = sys.argv[1:]
    connection = connect(int(port), *files)
    question = b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(REQUEST), REQUEST,
    )  # fmt: skip
    ask(connection, question)
    print("[]", flush=True)
    for line in sys.stdin:
        due, seconds, apart = map(float, line.split())
        end = due + seconds
        took = []
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            ask(connection, question)
            answered = time.monotonic()
            took.append((answered - due) * 1e3)
            due = due + apart if apart else answered
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
