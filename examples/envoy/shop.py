"""A sample application, and somebody who asks it.

    shop.py serve PORT                    answers, and says by which decision
    shop.py ask METHOD URL [NAME ROLE]    asks with a token for NAME, or without one
    shop.py ports N                       free ports
"""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import socket
import sys
import urllib.parse

SECRET = b"not a secret"


class Application(http.server.BaseHTTPRequestHandler):
    def answer(self):
        decision = self.headers.get("x-bailiwick-decision-id", "none")
        body = f"{self.command} {self.path} by decision {decision}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(name, role):
    claims = {"iss": "people", "sub": name, "groups": [role]}
    parts = [{"alg": "HS256", "kid": "k"}, claims]
    text = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    return (text + b"." + encoded(hmac.new(SECRET, text, hashlib.sha256).digest())).decode()


def ask(method, url, who):
    parts = urllib.parse.urlsplit(url)
    headers = {"Authorization": f"Bearer {token(*who)}"} if who else {}
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request(method, parts.path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode().strip()
    print(f"{who[0] if who else 'nobody'} {method} {parts.path}: {answer.status} {text}".rstrip())


def ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    print(*(found.getsockname()[1] for found in sockets))


match sys.argv[1:]:
    case ["serve", port]:
        http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Application).serve_forever()
    case ["ask", method, url, *who]:
        ask(method, url, who)
    case ["ports", count]:
        ports(int(count))
    case _:
        sys.exit(__doc__)
