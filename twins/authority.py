"""A certificate authority of one home, and the certificate that the twins show under the names of the services."""

import ipaddress
import os
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=30)


class Authority:
    """Files of a home: `bundle` (what clients trust: the public authorities and ours), `certificate` and `key` of the twins."""

    def __init__(self, home: Path) -> None:
        self.bundle = home / "bundle.pem"
        self.alone = home / "authority.pem"
        self.certificate = home / "twins.pem"
        self.key = home / "twins.key"

    def ensure(self, names: Iterable[str]) -> None:
        """Make what is missing or about to end. The authority's own key is forgotten at once: nobody can sign more."""
        if self.certificate.exists() and self._still_good(sorted(names)):
            return
        now = datetime.now(UTC)
        root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"AskStephen twins {now:%Y-%m-%d}")])
        leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "twins")])
        signer = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
        root = (
            _certificate(root_name, root_name, root_key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(signer, critical=False)
            .sign(root_key, hashes.SHA256())
        )
        alternatives = [x509.DNSName(name) for name in sorted(names)]
        leaf = (
            _certificate(leaf_name, root_name, leaf_key.public_key(), now)
            .add_extension(
                x509.SubjectAlternativeName([*alternatives, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
            .sign(root_key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.key.touch(mode=0o600)
        self.key.write_bytes(
            leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption_algorithm=serialization.NoEncryption())
        )
        self.alone.write_bytes(root.public_bytes(pem))
        self.bundle.write_bytes(_public_authorities() + b"\n" + root.public_bytes(pem))
        self.certificate.write_bytes(leaf.public_bytes(pem))  # last: it says that the others are there

    def _still_good(self, names: list[str]) -> bool:
        leaf = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        covered = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        return covered == names and leaf.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _public_authorities() -> bytes:
    """What this machine trusts already, so that a client of the twins can still reach what is not one."""
    own = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or certifi.where()
    return Path(own).read_bytes()
