"""Key files in the format of base/runtime/curve_keys.h, made with the libraries the daemons use."""

import ctypes
import os


def _write(path, text, mode):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="ascii") as file:
        file.write(text + "\n")


def make_curve_keys(path):
    """A CURVE key pair: the secret in `path`, the public key in `path`.pub."""
    public, secret = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
    if ctypes.CDLL("libzmq.so.5").zmq_curve_keypair(public, secret) != 0:
        raise OSError("libzmq made no CURVE key: it was built without CURVE")
    _write(path, secret.value.decode(), 0o600)
    _write(f"{path}.pub", public.value.decode(), 0o644)


def make_signing_keys(path):
    """An Ed25519 key pair, in hexadecimal: the secret in `path`, the public key in `path`.pub."""
    sodium = ctypes.CDLL("libsodium.so.23")
    if sodium.sodium_init() < 0:
        raise OSError("libsodium does not start")
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    if sodium.crypto_sign_keypair(public, secret) != 0:
        raise OSError("libsodium made no signing key")
    _write(path, secret.raw.hex(), 0o600)
    _write(f"{path}.pub", public.raw.hex(), 0o644)
