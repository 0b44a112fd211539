"""A signed apt source in a folder, as an operator publishes one: all .deb files beside their index, and a key to trust."""

import gzip
import hashlib
import os
import shutil
import subprocess
import time

from fleet_hosts import index_entry, run


class AptRepository:
    """`folder` is what a web server serves, `key_file` what hosts must trust."""

    def __init__(self, folder, name="Fleet test"):
        self.folder, self.home = folder, folder + ".gpg"
        self.key_file = folder + ".asc"
        os.makedirs(folder)
        os.makedirs(self.home, mode=0o700)
        self._gpg("--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "1d")
        with open(self.key_file, "w", encoding="ascii") as file:
            file.write(self._gpg("--armor", "--export", name))

    def _gpg(self, *words):
        return run("gpg", "--homedir", self.home, "--batch", "--pinentry-mode", "loopback", *words)

    def close(self):
        """Ends the agent that gpg started."""
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False, capture_output=True)

    def publish(self, package_folder):
        """Adds its packages to those that are there."""
        for name in os.listdir(package_folder):
            if name.endswith(".deb"):
                shutil.copy(os.path.join(package_folder, name), self.folder)
        index = "".join(index_entry(self.folder, name) for name in sorted(os.listdir(self.folder)) if name.endswith(".deb"))
        files = {"Packages": index.encode(), "Packages.gz": gzip.compress(index.encode(), mtime=0)}
        release = [f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S UTC', time.gmtime())}", "SHA256:"]
        for name, octets in files.items():
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(octets)
            release.append(f" {hashlib.sha256(octets).hexdigest()} {len(octets)} {name}")
        plain, signed = (os.path.join(self.folder, name) for name in ("Release", "InRelease"))
        with open(plain, "w", encoding="ascii") as file:
            file.write("\n".join(release) + "\n")
        self._gpg("--yes", "--output", signed, "--clearsign", plain)
