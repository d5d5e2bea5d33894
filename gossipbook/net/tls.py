"""TLS without certificate authorities: who a peer is, the handshake proves; TLS keeps the bytes private.

A listener makes a self-signed certificate at each start. Its SHA-256 goes into the handshake's transcript, so a
man in the middle who shows another one is found out. Who only dials makes no certificate, and imports nothing for it.
"""

import datetime
import hashlib
import os
import ssl
import tempfile

_YEARS = 10


def make_server_context() -> tuple[ssl.SSLContext, bytes]:
    """Return a server context with a fresh certificate, and the certificate's SHA-256."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gossipbook peer")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    handle, path = tempfile.mkstemp(suffix=".pem")  # the ssl module reads keys from files only; mode 0600
    try:
        os.write(handle, pem)
        context.load_cert_chain(path)
    finally:
        os.close(handle)
        os.unlink(path)
    return context, hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


def make_client_context() -> ssl.SSLContext:
    """A client context that accepts any certificate; the handshake judges it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
