"""A throw-away certificate authority."""

import shutil
import ssl
import subprocess
from pathlib import Path

from tests.conftest import missing


class Authority:
    """Signs certificates for as long as a test runs."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            missing("no openssl to make certificates with")
        self._folder, self._name = folder, name
        self.certificate = folder / f"{name}.pem"
        self._openssl("req", "-x509", "-days", "2", *self._new(name), "-out", self.certificate)

    def sign(self, address: str) -> ssl.SSLContext:
        """What a server at that address needs."""
        request, certificate = self._folder / "server.csr", self._folder / "server.pem"
        extension = self._folder / "extension"
        extension.write_text(f"subjectAltName=IP:{address}")
        self._openssl("req", *self._new("server"), "-out", request)
        by = ("-CA", self.certificate, "-CAkey", self._folder / f"{self._name}.key")
        self._openssl(
            *("x509", "-req", "-in", request, *by, "-CAcreateserial", "-days", "2"),
            *("-extfile", extension, "-out", certificate),
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, self._folder / "server.key")
        return context

    def _new(self, name: str) -> tuple[object, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        return (*curve, "-subj", f"/CN={name}", "-keyout", self._folder / f"{name}.key")

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
