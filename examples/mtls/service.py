"""Two services that know each other by SPIFFE ID alone, over mutual TLS, with nothing but Python's standard library.

    service.py orders DIR PORT_FILE    answers whoever is /shop
    service.py shop DIR PORT           asks whoever is /orders

DIR holds svid.pem, svid.key and bundle.pem, which `bailiwick identity watch` keeps fresh.
"""

import pathlib
import socket
import ssl
import sys

DOMAIN = "spiffe://localhost"


def context(purpose, directory):
    """TLS that shows our certificate, and believes those of our own trust domain alone."""
    made = ssl.SSLContext(purpose)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    # Who the peer is stands in its SPIFFE ID, not in a host name.
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(directory / "bundle.pem")
    made.load_cert_chain(directory / "svid.pem", directory / "svid.key")
    return made


def peer_id(connection):
    """The SPIFFE ID of the other side: exactly one URI in its certificate."""
    names = connection.getpeercert().get("subjectAltName", ())
    uris = [value for kind, value in names if kind == "URI"]
    return uris[0] if len(uris) == 1 else None


def orders(directory, port_file):
    listener = socket.create_server(("127.0.0.1", 0))
    pathlib.Path(port_file).write_text(str(listener.getsockname()[1]))
    while True:
        plain, _ = listener.accept()
        plain.settimeout(10)
        try:
            # Made anew for each connection: the files may have changed since.
            tls = context(ssl.PROTOCOL_TLS_SERVER, directory)
            with tls.wrap_socket(plain, server_side=True) as connection:
                caller = peer_id(connection)
                if caller == f"{DOMAIN}/shop":
                    connection.sendall(f"3 orders for {caller}\n".encode())
                else:
                    connection.sendall(f"nothing for {caller}\n".encode())
        except (ssl.SSLError, OSError) as error:
            print(f"orders: turned somebody away: {error}", flush=True)


def shop(directory, port):
    tls = context(ssl.PROTOCOL_TLS_CLIENT, directory)
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as plain:
        with tls.wrap_socket(plain) as connection:
            callee = peer_id(connection)
            if callee != f"{DOMAIN}/orders":
                sys.exit(f"shop: that is {callee}, not orders")
            print(f"shop: {callee} says: {connection.recv(1000).decode().strip()}", flush=True)


if __name__ == "__main__":
    {"orders": orders, "shop": shop}[sys.argv[1]](pathlib.Path(sys.argv[2]), sys.argv[3])
