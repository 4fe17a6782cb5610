# SPDX-License-Identifier: Apache-2.0
"""A private Sigstore: a certificate authority, a certificate log (RFC 6962) and a signature log (Rekor v1).

Signs `blob` as IDENTITY and writes into the current directory `trusted-root.json`, which trusts the three,
`bundle.json`, and variants of both that must be refused. Needs the program openssl for keys and signatures.
"""

import base64
import hashlib
import json
import subprocess
import time
from pathlib import Path

IDENTITY = "release@example.org"
ISSUER = "https://accounts.example.org"
BLOB = b"text\n"

# The certificate ended long ago: only the signature log vouches for when it was used.
SIGNED = int(time.time()) - 86400
VALID_FROM, VALID_TO = SIGNED - 300, SIGNED + 300
# The entry's number in the whole signature log, in whose last tree it is alone; cosign takes 0 for none.
INDEX = 7
TRUSTED = {"start": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(SIGNED - 86400))}


class Key:
    """A P-256 key in a file of openssl."""

    def __init__(self, name):
        self.file = f"{name}.pem"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.file)
        self.public = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        self.id = sha256(self.public)

    def sign(self, data):
        return openssl("dgst", "-sha256", "-sign", self.file, data=data)


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def der(tag, *parts):
    """A value in DER (X.690)."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*parts):
    return der(0x30, *parts)


def oid(text):
    return openssl("asn1parse", "-genstr", f"OID:{text}", "-noout", "-out", "/dev/stdout")


def bits(data, unused=0):
    return der(0x03, bytes([unused]), data)


def extension(name, value, critical=False):
    return sequence(oid(name), der(0x01, b"\xff") if critical else b"", der(0x04, value))


ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))
AUTHORITY_NAME = sequence(der(0x31, sequence(oid("2.5.4.3"), der(0x0C, b"Private authority"))))


def to_be_signed(subject, public, dates, extensions):
    serial = der(0x02, b"\x01" + sha256(public)[:15])
    utc_times = [time.strftime("%y%m%d%H%M%SZ", time.gmtime(date)).encode() for date in dates]
    validity = sequence(*(der(0x17, date) for date in utc_times))
    head = der(0xA0, der(0x02, b"\x02")) + serial + ECDSA_SHA256 + AUTHORITY_NAME + validity
    return sequence(head, subject, public, der(0xA3, sequence(*extensions)))


def certificate(tbs, authority):
    return sequence(tbs, ECDSA_SHA256, bits(authority.sign(tbs)))


def root_certificate(authority):
    usage = extension("2.5.29.15", bits(b"\x06", unused=1), critical=True)  # keyCertSign, cRLSign
    constraints = extension("2.5.29.19", sequence(der(0x01, b"\xff")), critical=True)  # is a CA
    dates = SIGNED - 86400, SIGNED + 365 * 86400
    return certificate(to_be_signed(AUTHORITY_NAME, authority.public, dates, [usage, constraints]), authority)


def scts(tbs, authority, log, signer):
    """The list of one timestamp (RFC 6962, 3.2 and 3.3) of `log` for a certificate, signed by `signer`."""
    when = (SIGNED * 1000).to_bytes(8, "big")
    entry = b"\x00\x01" + authority.id + len(tbs).to_bytes(3, "big") + tbs
    signature = signer.sign(b"\x00\x00" + when + entry + b"\x00\x00")
    sct = b"\x00" + log.id + when + b"\x00\x00" + b"\x04\x03" + len(signature).to_bytes(2, "big") + signature
    sct = len(sct).to_bytes(2, "big") + sct
    return der(0x04, len(sct).to_bytes(2, "big") + sct)


def leaf_certificate(leaf, authority, log, signer):
    """The certificate of IDENTITY, with a timestamp by `signer` if there is one."""
    extensions = [
        extension("2.5.29.15", bits(b"\x80", unused=7), critical=True),  # digitalSignature
        extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.3"))),  # codeSigning
        extension("2.5.29.17", sequence(der(0x81, IDENTITY.encode())), critical=True),  # subjectAltName: mail
        extension("1.3.6.1.4.1.57264.1.1", ISSUER.encode()),
        extension("1.3.6.1.4.1.57264.1.8", der(0x0C, ISSUER.encode())),
    ]
    tbs = to_be_signed(sequence(), leaf.public, (VALID_FROM, VALID_TO), extensions)
    if signer:
        # What the log signed is the certificate without the timestamp.
        extensions.append(extension("1.3.6.1.4.1.11129.2.4.2", scts(tbs, authority, log, signer)))
        tbs = to_be_signed(sequence(), leaf.public, (VALID_FROM, VALID_TO), extensions)
    return certificate(tbs, authority)


def log_entry(log, promiser, prover, cert, signature, blob, when):
    """The only entry of the signature log, with a promise and a proof by these keys."""
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(cert).decode()}-----END CERTIFICATE-----\n"
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": sha256(blob).hex()}},
        "signature": {"content": b64(signature), "publicKey": {"content": b64(pem.encode())}},
    }
    body = canonical({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec})
    promised = {"body": b64(body), "integratedTime": when, "logID": log.id.hex(), "logIndex": INDEX}
    root = b64(sha256(b"\x00" + body))
    note = f"log.example.org - 1\n1\n{root}\n"
    checkpoint = f"{note}\n\u2014 log.example.org {b64(log.id[:4] + prover.sign(note.encode()))}\n"
    return {
        "logIndex": str(INDEX),
        "logId": {"keyId": b64(log.id)},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
        "integratedTime": str(when),
        "inclusionPromise": {"signedEntryTimestamp": b64(promiser.sign(canonical(promised)))},
        "inclusionProof": {
            "logIndex": "0", "treeSize": "1", "rootHash": root, "hashes": [],
            "checkpoint": {"envelope": checkpoint},
        },
        "canonicalizedBody": b64(body),
    }


def write_root(name, authority, certificate_log, log):
    def trusted(key):
        public = {"rawBytes": b64(key.public), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": TRUSTED}
        return {"hashAlgorithm": "SHA2_256", "publicKey": public, "logId": {"keyId": b64(key.id)}}

    chain = {"certificates": [{"rawBytes": b64(root_certificate(authority))}]}
    Path(name).write_text(json.dumps({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [trusted(log)],
        "ctlogs": [trusted(certificate_log)],
        "certificateAuthorities": [{"certChain": chain, "validFor": TRUSTED}],
    }))


def main():
    names = ["authority", "other-authority", "certificate-log", "log", "stranger", "leaf"]
    authority, other, certificate_log, log, stranger, leaf = map(Key, names)
    write_root("trusted-root.json", authority, certificate_log, log)
    write_root("other-root.json", other, certificate_log, log)
    signature = leaf.sign(BLOB)

    def bundle(name, certifier=certificate_log, promiser=log, prover=log, logged=BLOB, when=SIGNED):
        cert = leaf_certificate(leaf, authority, certificate_log, certifier)
        entry = log_entry(log, promiser, prover, cert, signature, logged, when)
        digest = {"algorithm": "SHA2_256", "digest": b64(sha256(BLOB))}
        Path(name).write_text(json.dumps({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": b64(cert)}, "tlogEntries": [entry]},
            "messageSignature": {"messageDigest": digest, "signature": b64(signature)},
        }))

    bundle("bundle.json")
    bundle("without-sct.json", certifier=None)
    bundle("wrong-sct.json", certifier=stranger)
    bundle("wrong-promise.json", promiser=stranger)
    bundle("wrong-proof.json", prover=stranger)
    bundle("of-another-blob.json", logged=b"other text\n")
    bundle("too-late.json", when=VALID_TO + 1)
    Path("blob").write_bytes(BLOB)


main()
