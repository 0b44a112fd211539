#!/usr/bin/python3
"""Prints the vectors of handshake_test.cc and authentication_test.cc, computed with Python's hashlib and hmac.

Written from the descriptions named in prober/media/rtmp/{handshake,authentication}.h, sharing nothing with
the C++ code; run it to see where the literals of the tests come from.
"""

import base64
import hashlib
import hmac

TAIL = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
CLIENT = b"Genuine Adobe Flash Player 001"
SERVER = b"Genuine Adobe Flash Media Server 001"


def block(step: int) -> bytearray:
    return bytearray((i * step + 3) & 0xff for i in range(1536))


def digests() -> None:
    for step in (7, 151):
        for schema, base in ((0, 8), (1, 772)):
            for who, key in (("client", CLIENT), ("server", SERVER)):
                octets = block(step)
                offset = sum(octets[base:base + 4]) % 728 + base + 4
                rest = bytes(octets[:offset] + octets[offset + 32:])
                print(f"digest step={step} schema={schema} {who} offset={offset}",
                      hmac.new(key, rest, hashlib.sha256).hexdigest())


def proofs() -> None:
    for who, key in (("client", CLIENT), ("server", SERVER)):
        proof_key = hmac.new(key + TAIL, bytes(range(32)), hashlib.sha256).digest()
        print(f"proof step=7 {who}", hmac.new(proof_key, bytes(block(7)[:1504]), hashlib.sha256).hexdigest())


def md5_base64(text: str) -> str:
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


def md5_hex(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def adobe(user: str, password: str, salt: str, theirs: str, mine: str) -> str:
    return md5_base64(md5_base64(user + salt + password) + theirs + mine)


def llnw(user: str, password: str, app: str, nonce: str, mine: str) -> str:
    uri = "/" + app + ("" if "/" in app else "/_definst_")
    return md5_hex(":".join([md5_hex(f"{user}:live:{password}"), nonce, "00000001", mine, "auth",
                             md5_hex(f"publish:{uri}")]))


if __name__ == "__main__":
    digests()
    proofs()
    print("adobe opaque", adobe("alice", "pa:ss word", "SoFT8g==", "AgAAAA==", "1a2b3c4d"))
    print("adobe challenge", adobe("alice", "pa:ss word", "SoFT8g==", "Xy01", "00000007"))
    print("llnw app", llnw("bob", "secret", "live", "n0nce", "0badcafe"))
    print("llnw instance", llnw("bob", "secret", "live/eu", "n0nce", "0badcafe"))
